import Console
import Pipeline

extension InspectRendering {
  /// The document that `--json` prints; its keys are listed in the help and stay.
  func json(_ reports: [InspectionReport], failures: [PipelineError]) -> JSONValue {
    [
      "models": .array(reports.map(json)),
      "failures": list(failures) {
        ["message": .string($0.message), "exit_code": .integer(Int($0.status.rawValue))]
      },
    ]
  }

  private func json(_ report: InspectionReport) -> JSONValue {
    var members: [String: JSONValue] = [
      "path": .string(report.path), "model_bytes": .integer(report.modelByteCount),
      "total_bytes": .integer(report.totalByteCount), "identity": json(report.identity),
      "header": json(report.header), "inputs": list(report.inputs, json),
      "outputs": list(report.outputs, json),
      "graphs": list(report.graphs) {
        [
          "name": .string($0.name), "place": .string(ifPresent: $0.place), "nodes": .integer($0.nodeCount),
          "initializers": .integer($0.initializerCount),
        ]
      },
      "functions": list(report.functions) {
        ["domain": .string($0.domain), "name": .string($0.name), "nodes": .integer($0.nodeCount)]
      },
      "operators": list(report.operators, json), "weights": weightsJSON(report),
      "quantization": json(report.quantization), "data_files": list(report.dataFiles, json),
      "problems": list(report.problems, JSONValue.string), "notes": list(report.notes, JSONValue.string),
    ]
    if !report.nodes.isEmpty {
      members["nodes"] = list(report.nodes) {
        [
          "graph": .integer($0.graphIndex), "name": .string($0.name), "domain": .string($0.domain),
          "operator": .string($0.operatorName), "inputs": list($0.inputs, JSONValue.string),
          "outputs": list($0.outputs, JSONValue.string),
        ]
      }
    }
    return .object(members)
  }

  private func list<Element>(_ elements: some Sequence<Element>, _ json: (Element) -> JSONValue) -> JSONValue
  {
    .array(elements.map(json))
  }

  private func json(_ identity: InspectionReport.Identity) -> JSONValue {
    [
      "is_whisper": .bool(identity.isWhisper), "layout": .string(identity.layoutName),
      "interface": .string(identity.interfaceName), "part": .string(identity.partName),
      "size": .string(ifPresent: identity.sizeName),
      "size_alternatives": list(identity.sizeAlternatives, JSONValue.string),
      "static_shapes": .bool(identity.hasStaticShapes),
      "open_dimensions": list(identity.openDimensions, JSONValue.string),
      "mels": .integer(ifPresent: identity.melCount), "width": .integer(ifPresent: identity.width),
      "encoder_layers": .integer(ifPresent: identity.encoderLayerCount),
      "decoder_layers": .integer(ifPresent: identity.decoderLayerCount),
      "heads": .integer(ifPresent: identity.headCount), "head_width": .integer(ifPresent: identity.headWidth),
      "vocabulary": .integer(ifPresent: identity.vocabularyCount),
      "self_cache_length": .integer(ifPresent: identity.selfCacheLength),
    ]
  }

  private func json(_ header: InspectionReport.Header) -> JSONValue {
    [
      "ir_version": .integer(ifPresent: header.irVersion), "producer": .string(ifPresent: header.producer),
      "model_version": .integer(ifPresent: header.modelVersion),
      "operator_sets": list(header.operatorSets) {
        ["domain": .string($0.domain), "version": .integer($0.version)]
      },
      "metadata": list(header.metadata) { ["key": .string($0.key), "value": .string($0.value)] },
    ]
  }

  private func json(_ port: InspectionReport.Port) -> JSONValue {
    [
      "name": .string(port.name), "type": .string(ifPresent: port.elementType),
      "shape": port.shape.map { list($0, json) } ?? .null,
    ]
  }

  private func json(_ dimension: InspectionReport.Dimension) -> JSONValue {
    switch dimension {
    case .fixed(let extent): return .integer(extent)
    case .named(let name): return .string(name)
    case .unknown: return .null
    }
  }

  private func json(_ entry: InspectionReport.OperatorCount) -> JSONValue {
    ["domain": .string(entry.domain), "name": .string(entry.name), "count": .integer(entry.count)]
  }

  private func weightsJSON(_ report: InspectionReport) -> JSONValue {
    [
      "tensors": .integer(report.weights.tensorCount), "elements": .integer(report.weights.elementCount),
      "bytes": .integer(report.weights.byteCount),
      "by_type": list(report.weights.types) {
        [
          "type": .string($0.elementType), "tensors": .integer($0.tensorCount),
          "elements": .integer($0.elementCount), "bytes": .integer($0.byteCount),
        ]
      },
      "largest": list(shownTensors(report)) {
        [
          "name": .string($0.name), "type": .string($0.elementType),
          "shape": list($0.shape, JSONValue.integer), "bytes": .integer($0.byteCount),
          "users": list($0.users, JSONValue.string), "location": .string(ifPresent: $0.location),
        ]
      },
    ]
  }

  private func json(_ quantization: InspectionReport.Quantization) -> JSONValue {
    [
      "scheme": .string(quantization.scheme), "linear_layers": .integer(quantization.linearLayerCount),
      "quantized_layers": .integer(quantization.quantizedLayerCount),
      "operators": list(quantization.operators, json),
      "activation_types": list(quantization.activationTypes) {
        ["type": .string($0.elementType), "count": .integer($0.count)]
      },
    ]
  }

  private func json(_ file: InspectionReport.DataFile) -> JSONValue {
    [
      "location": .string(file.location), "kind": .string(file.kind.rawValue),
      "bytes": .integer(ifPresent: file.byteCount), "used_bytes": .integer(file.usedByteCount),
      "trailing_bytes": .integer(file.trailingByteCount), "tensors": .integer(file.tensorCount),
      "broken_tensors": .integer(file.brokenTensorCount),
    ]
  }
}
