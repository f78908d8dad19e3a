import ByteIO
import ModelStore
import Whisper

/// A model that a source offers, and what it is.
struct LayoutCandidate {
  /// Nil for a model that is in the layout already.
  let file: SourceFile?
  /// Where it lies on this machine.
  let path: String
  /// How sentences call it.
  let shown: String
  var report: InspectionReport

  var part: WhisperPart { WhisperPart(rawValue: report.identity.partName) ?? .unknown }
  var width: Int? { report.identity.width }
  var name: ModelFileName { ModelFileName(path) }

  /// Small for precise ones.
  var rank: Int {
    switch report.quantization.scheme {
    case "fp32", "fp64": 0
    case "fp16": 1
    case "bf16": 2
    case "compiled": 9
    case let scheme where scheme.hasSuffix("4") || scheme.hasPrefix("w4"): 5
    default: 4
    }
  }

  /// Whether a word of the user means this precision: by the file's name, or by what is inside.
  func matches(_ variant: String) -> Bool {
    let word = variant.lowercased()
    let scheme = report.quantization.scheme
    return name.matches(word) || scheme == word
      || (ManifestFacts.quant(ofScheme: scheme) == word && name.variant == nil)
  }

  /// The precision in one word for a list of variants.
  var variantName: String { name.variant ?? report.quantization.scheme }

  /// Names of published models that it may belong to.
  var sizes: [String] {
    guard let size = report.identity.sizeName else { return [] }
    return [size] + report.identity.sizeAlternatives
  }
}

/// Where the parts of a model go in its layout.
enum LayoutTargets {
  static let encoderModel = "encoder/whisper_encoder.onnx"
  static let decoderModel = "decoder/whisper_decoder.onnx"
  static let allInOneModel = "whisper_all_in_one.onnx"

  /// Decoders from the one that an application would load first.
  private static let decoderOrder: [WhisperPart] = [
    .decoder, .decoderMerged, .decoderWithPast, .decoderFromEmbeddings, .decoderInit,
  ]

  /// The target of each part that is there.
  static func targets(of parts: Set<WhisperPart>) -> [WhisperPart: String] {
    var targets: [WhisperPart: String] = [:]
    let mainDecoder = decoderOrder.first { parts.contains($0) }
    let mainEncoder: WhisperPart? =
      parts.contains(.encoder) ? .encoder : parts.contains(.encoderDecoderInit) ? .encoderDecoderInit : nil
    for part in parts {
      targets[part] =
        part == mainDecoder
        ? decoderModel : part == mainEncoder ? encoderModel : furtherTarget(part)
    }
    return targets
  }

  private static func furtherTarget(_ part: WhisperPart) -> String? {
    switch part {
    case .encoder, .unknown: nil
    case .decoder: decoderModel
    case .decoderWithPast: "decoder/whisper_decoder_with_past.onnx"
    case .decoderMerged: "decoder/whisper_decoder_merged.onnx"
    case .decoderInit: "decoder/whisper_decoder_init.onnx"
    case .decoderFromEmbeddings: "decoder/whisper_decoder_from_embeddings.onnx"
    case .encoderDecoderInit: "encoder/whisper_encoder_decoder_init.onnx"
    case .jumpTimes: "decoder/whisper_jump_times.onnx"
    case .allInOne: allInOneModel
    }
  }

  /// The data file of a model; further ones are numbered.
  static func dataTarget(of model: String, _ number: Int) -> String {
    let stem = model.hasSuffix(".onnx") ? String(model.dropLast(5)) : model
    return number == 0 ? stem + ".bin" : "\(stem)_\(number + 1).bin"
  }

  /// The usual name of a layout: `whisper_large`, `whisper_tiny_en`, `whisper_large_v3_turbo`.
  static func name(ofSize size: String?) -> String {
    guard let size else { return "whisper_custom" }
    if ["large-v1", "large-v2", "large-v3"].contains(size) { return "whisper_large" }
    let plain = size.map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" }
    return "whisper_" + String(plain)
  }

  /// Why a name cannot be that of a layout; nil when it can.
  static func objection(toName name: String) -> String? {
    let allowed = name.utf8.allSatisfy { byte in
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
        || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || "._-".utf8.contains(byte)
    }
    if name.isEmpty { return "is empty" }
    if !allowed { return "has other characters than letters, digits, '_', '-' and '.'" }
    if name.hasPrefix(".") || name.hasPrefix("-") { return "begins with '\(name.prefix(1))'" }
    return name.utf8.count > 120 ? "has more than 120 characters" : nil
  }
}
