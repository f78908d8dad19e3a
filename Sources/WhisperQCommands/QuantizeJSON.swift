import Console
import ModelStore
import Pipeline
import QuantPlan
import Quantize

/// The report as JSON: stable keys, sorted, every number in bytes, seconds or dB.
enum QuantizeJSON {
  static func document(
    _ results: [QuantizeResult], sidecars: [String], entries: [ManifestPipeline.Outcome]
  ) -> JSONValue {
    .object([
      "models": .array(results.map(model)),
      "carried_files": .array(sidecars.map(JSONValue.string)),
      "manifest": RecordingOptions.json(entries),
    ])
  }

  private static func model(_ result: QuantizeResult) -> JSONValue {
    switch result {
    case .done(let report): return .object(report.keys)
    case .carried(let model, let why):
      return .object(["input": .string(model), "status": "carried", "reason": .string(why)])
    case .failed(let model, let why):
      return .object(["input": .string(model), "status": "failed", "reason": .string(why)])
    }
  }
}

extension QuantizeReport {
  fileprivate var keys: [String: JSONValue] {
    [
      "status": "quantized",
      "input": .string(inputPath),
      "output": .string(outputPath),
      "output_data": .string(ifPresent: outputDataPath),
      "scheme": .string(plan.scheme.rawValue),
      "bytes_before": .integer(inputByteCount),
      "bytes_after": .integer(outputByteCount),
      "reduction": .double(reduction),
      "seconds": .double(seconds),
      "bytes_per_second": .double(bytesPerSecond),
      "peak_memory_bytes": .integer(peakMemoryByteCount),
      "threads": .integer(threadCount),
      "processor": .string(processorLevel),
      "quantized": .array(
        PlanGroup.treated(plan).map { group in
          .object([
            "form": .string(group.label), "role": .string(group.detail), "weights": .integer(group.count),
            "bytes_before": .integer(group.bytesBefore), "bytes_after": .integer(group.bytesAfter),
          ])
        }),
      "left": .array(
        PlanGroup.left(plan).map { group in
          .object([
            "reason": .string(group.label), "weights": .integer(group.count),
            "bytes": .integer(group.bytesBefore),
          ])
        }),
      "weights": .array(
        outcomes.map { outcome in
          .object([
            "name": .string(outcome.name), "form": .string(outcome.treatment.summary),
            "elements": .integer(outcome.elementCount), "bytes_before": .integer(outcome.bytesBefore),
            "bytes_after": .integer(outcome.bytesAfter),
            "sqnr_db": outcome.treatment.form == .half ? .null : .double(outcome.sqnr),
            "overflows": .integer(outcome.overflowCount), "underflows": .integer(outcome.underflowCount),
          ])
        }),
      "notes": .array(findings.map(JSONValue.string)),
    ]
  }
}
