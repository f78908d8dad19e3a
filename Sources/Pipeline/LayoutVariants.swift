import ByteIO

/// The precision of a model as the name of its file says it: `decoder_model_q4f16.onnx` is the variant
/// `q4f16` of `decoder_model`.
///
/// Endings: those of onnx-community (`_fp16 _quantized _int8 _uint8 _q4 _q4f16 _bnb4`), of sherpa-onnx
/// (`.int8`) and of ONNX Runtime's exporters (`_fp32`).
struct ModelFileName: Equatable {
  let stem: String
  /// Nil for the full-precision one, which has no ending, or `fp32`.
  let variant: String?

  /// From the most precise to the least.
  static let endings = [
    "fp32", "bf16", "fp16", "int8", "uint8", "quantized", "q8", "q4f16", "q4", "int4", "bnb4",
  ]

  init(_ path: String) {
    var name = fileName(of: path)
    if name.hasSuffix(".onnx") { name = String(name.dropLast(5)) }
    let ending = Self.endings.first { ending in
      [Character("_"), ".", "-"].contains { name.hasSuffix("\($0)\(ending)") }
        && name.utf8.count > ending.utf8.count + 1
    }
    stem = ending.map { String(name.dropLast($0.count + 1)) } ?? name
    variant = ending == "fp32" ? nil : ending
  }

  /// Small for precise ones.
  var rank: Int { variant.flatMap { Self.endings.firstIndex(of: $0) } ?? 0 }

  /// Whether a word of the user means this variant.
  func matches(_ word: String) -> Bool {
    word.lowercased() == (variant ?? "fp32") || (variant == nil && word == "full")
  }
}

/// Chooses among the models of one source by their names, before anything is fetched.
enum VariantFilter {
  /// The paths to fetch, and the variants that are left, with the variant that a path was left for.
  static func choose(
    _ paths: [String], variant: String?
  ) -> (taken: [String], left: [(path: String, variant: String)]) {
    var groups: [String: [String]] = [:]
    for path in paths {
      groups[joined(folder(of: path), ModelFileName(path).stem), default: []].append(path)
    }
    var taken: [String] = []
    var left: [(path: String, variant: String)] = []
    for group in groups.values {
      let names = group.map { (path: $0, name: ModelFileName($0)) }
      let best = names.map(\.name.rank).min() ?? 0
      for (path, name) in names {
        if variant.map(name.matches) ?? (name.rank == best) {
          taken.append(path)
        } else {
          left.append((path, name.variant ?? "fp32"))
        }
      }
    }
    return (taken.sorted(), left.sorted { $0.path < $1.path })
  }
}
