import Console
import ModelBackend
import Pipeline
import Validation

/// The report of `validate` as JSON; the keys stand in the help.
enum ValidateJSON {
  static func document(_ reports: [ModelReport], status: ExitStatus) -> JSONValue {
    .object([
      "passes": .bool(status == .done), "exit_code": .integer(Int(status.rawValue)),
      "models": .array(reports.map(model)),
    ])
  }

  private static func model(_ report: ModelReport) -> JSONValue {
    .object([
      "path": .string(report.path), "title": .string(report.title), "bytes": .integer(report.byteCount),
      "passes": .bool(report.passes), "exit_code": .integer(Int((report.status ?? .done).rawValue)),
      "notes": .array(report.notes.map(JSONValue.string)),
      "objections": .array(
        report.objections.map { ["kind": .string($0.kind.rawValue), "message": .string($0.message)] }),
      "findings": .array(report.findings.map(finding)),
      "run": report.run.map(run) ?? .null,
      "layers": .array(
        report.layers.map {
          [
            "name": .string($0.name), "operator": .string($0.operatorName),
            "difference": difference($0.difference),
          ]
        }),
      "places": ExplainRendering.json(report.places),
      "processor": report.processor.map(processor) ?? .null,
    ])
  }

  private static func processor(_ comparison: ProcessorComparison) -> JSONValue {
    [
      "engine": engine(comparison.engine), "seconds": .double(comparison.seconds),
      "outputs": .array(
        comparison.outputs.map {
          [
            "name": .string($0.name), "agreement_db": $0.agreement.map(JSONValue.double) ?? .null,
            "npu_db": $0.npuSQNR.map(JSONValue.double) ?? .null,
            "processor_db": $0.processorSQNR.map(JSONValue.double) ?? .null, "differs": .bool($0.differsMuch),
          ]
        }),
    ]
  }

  private static func finding(_ finding: Finding) -> JSONValue {
    [
      "severity": .string(finding.severity.rawValue), "rule": .string(finding.rule),
      "place": .string(ifPresent: finding.place), "message": .string(finding.message),
      "remedy": .string(ifPresent: finding.remedy),
    ]
  }

  private static func run(_ run: RunReport) -> JSONValue {
    .object([
      "engine": engine(run.engine), "inputs": .array(run.inputs.map(port)),
      "made_up": run.madeUp.map {
        ["seed": seed($0.seed), "inputs": .array($0.names.map(JSONValue.string))]
      } ?? .null,
      "outputs": .array(run.outputs.map(port)), "load_seconds": .double(run.loadSeconds),
      "seconds": .array(run.seconds.map(JSONValue.double)), "median_seconds": .double(run.medianSeconds),
      "reference": run.reference.map {
        ["path": .string($0.path), "seconds": .double($0.seconds), "engine": engine($0.engine)]
      } ?? .null,
      "results": .array(run.findings.map(result)),
    ])
  }

  static func engine(_ engine: EngineReport) -> JSONValue {
    .object([
      "provider": .string(engine.provider.rawValue), "runtime": .string(engine.runtime),
      "emulated": .bool(engine.isEmulated), "notes": .array(engine.notes.map(JSONValue.string)),
      "shares": .array(
        engine.placement.shares.map { share in
          [
            "provider": .string(share.provider), "nodes": .integer(share.nodeCount),
            "operators": .object(share.operators.mapValues(JSONValue.integer)),
          ]
        }),
      "leftovers": .array(
        engine.placement.leftovers.map {
          [
            "node": .string($0.node), "operator": .string($0.operatorName), "provider": .string($0.provider),
            "reason": .string(ifPresent: $0.reason),
          ]
        }),
      "passed_over": .array(
        engine.passedOver.map {
          ["provider": .string($0.provider.rawValue), "reason": .string($0.error.message)]
        }),
    ])
  }

  /// A number, unless it is larger than those that JSON readers agree on.
  private static func seed(_ seed: UInt64) -> JSONValue {
    Int(exactly: seed).map(JSONValue.integer) ?? .string(String(seed))
  }

  private static func port(_ port: RunReport.Port) -> JSONValue {
    [
      "name": .string(port.name), "type": .string(port.typeName),
      "shape": .array(port.dimensions.map(JSONValue.integer)),
    ]
  }

  private static func result(_ finding: OutputFinding) -> JSONValue {
    [
      "name": .string(finding.name), "branch": .string(ifPresent: finding.branch),
      "mismatch": .string(ifPresent: finding.mismatch), "not_compared": .string(ifPresent: finding.reason),
      "health": finding.health.map(health) ?? .null,
      "difference": finding.difference.map(difference) ?? .null,
    ]
  }

  private static func health(_ health: TensorHealth) -> JSONValue {
    let isKnown = health.finiteCount > 0
    return .object([
      "elements": .integer(health.elementCount), "nan": .integer(health.notANumberCount),
      "infinite": .integer(health.infiniteCount), "minimum": isKnown ? .float(health.minimum) : .null,
      "maximum": isKnown ? .float(health.maximum) : .null, "mean": isKnown ? .double(health.mean) : .null,
      "deviation": isKnown ? .double(health.standardDeviation) : .null,
      "faults": .array(health.faults.map { .string($0.rawValue) }),
    ])
  }

  private static func difference(_ difference: TensorDifference) -> JSONValue {
    .object([
      "equal": .bool(difference.sqnr == .infinity), "comparable": .bool(difference.isComparable),
      "sqnr_db": .double(difference.sqnr),
      "cosine": .double(difference.cosine), "largest_error": .double(difference.largestError),
      "worst_place": .integer(difference.worstPlace), "mean_error": .double(difference.meanError),
    ])
  }
}
