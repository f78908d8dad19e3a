import JSONDocuments
import ModelStore

/// What a manifest says about a model, read from the model.
enum ManifestFacts {
  /// The fields of an entry that an inspection answers, in the order of `ManifestField`.
  static func fields(of report: InspectionReport) -> [(ManifestField, JSON)] {
    let quant = quant(ofScheme: report.quantization.scheme)
    var fields: [(ManifestField, JSON)] = [
      (.input, .string(input(of: report.identity))), (.quant, .string(quant)),
      (.description, .string(description(of: report))),
      (.version, .string(version(baseVersion(of: report.identity), quant: quant))),
      (.sizeMB, size(byteCount: report.totalByteCount)),
    ]
    if report.identity.layoutName != "unknown" {
      fields.append((.layout, .string(report.identity.layoutName)))
    }
    fields.append((.scheme, .string(report.quantization.scheme)))
    return fields
  }

  /// What the application feeds: the encoder begins at audio of 16 kHz, a decoder at tokens.
  static func input(of identity: InspectionReport.Identity) -> String {
    guard identity.isWhisper else { return "tensor" }
    switch identity.partName {
    case "encoder", "encoder-decoder-init", "all-in-one": return "audio_16k_mono"
    case "decoder-from-embeddings": return "embeddings"
    case "jump-times": return "attention_weights"
    case "unknown": return "tensor"
    default: return "tokens"
    }
  }

  /// The short word for how a model is quantized: `int8` for the schemes with 8-bit weights.
  static func quant(ofScheme scheme: String) -> String {
    switch scheme {
    case "dynamic-int8", "weight-int8", "w8a8": return "int8"
    case "weight-int4": return "int4"
    case "none": return "unknown"
    default: return scheme
    }
  }

  /// The version with its quantization: `3.0`, `3.0-int8`.
  static func version(_ base: String, quant: String) -> String {
    quant == "fp32" || quant == "unknown" ? base : "\(base)-\(quant)"
  }

  /// A version without the quantization of the model that it was taken from.
  static func plainVersion(_ version: String) -> String {
    let endings = ["int8", "int4", "fp16", "fp32", "bf16", "w8a16", "w4a16"]
    let ending = endings.first { version.hasSuffix("-" + $0) }
    return ending.map { String(version.dropLast($0.count + 1)) } ?? version
  }

  /// The generation of the published weights.
  private static func baseVersion(of identity: InspectionReport.Identity) -> String {
    guard let size = identity.sizeName else { return "1.0" }
    if size.hasPrefix("large-v3") { return "3.0" }
    return size.hasPrefix("large-v2") ? "2.0" : "1.0"
  }

  static func description(of report: InspectionReport) -> String {
    let title = report.identity.partTitle
    let treatment = treatment(ofScheme: report.quantization.scheme)
    guard report.identity.isWhisper else { return "ONNX model, \(treatment)" }
    let size = report.identity.sizeName.map { $0 == "custom" ? " (custom size)" : " " + $0 } ?? ""
    return title.prefix(1).uppercased() + title.dropFirst() + " of Whisper\(size), \(treatment)"
  }

  private static func treatment(ofScheme scheme: String) -> String {
    switch scheme {
    case "fp32": return "not quantized"
    case "fp16", "bf16": return "half precision (\(scheme))"
    case "none": return "without weights"
    case "compiled": return "compiled"
    default: return "quantized (\(scheme))"
    }
  }

  /// Millions of bytes: whole ones, and tenths of small models.
  static func size(byteCount: Int) -> JSON {
    let tenths = max(1, (byteCount + 50_000) / 100_000)
    if tenths >= 100 || tenths % 10 == 0 { return .integer((byteCount + 500_000) / 1_000_000) }
    return .double(Double(tenths) / 10)
  }

  /// Whether a size someone wrote is about right: within a tenth, or one, of millions of bytes or of MiB.
  static func isNear(sizeMB: Double, byteCount: Int) -> Bool {
    [1e6, 1_048_576].contains { unit in
      let actual = Double(byteCount) / unit
      return abs(actual - sizeMB) <= max(1, actual / 10)
    }
  }
}
