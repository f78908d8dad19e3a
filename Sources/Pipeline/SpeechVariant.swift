import ONNXGraph

/// The precision of a part of a Whisper among others of the same part: by the ending of its name, and by its graph
/// where the name does not say it.
struct SpeechVariant: Equatable {
  /// An ending such as `int8`; `w8a16`, `w8a8` or `w4a16` for static Q/DQ; `compiled`; nil for the full precision.
  let name: String?
  /// Small for what is taken first: float ones, then those with quantized weights, static ones, compiled ones.
  let rank: Int
  private let fileName: ModelFileName

  static let compiled = "compiled"

  private static let endings = ModelFileName.endings

  init(_ path: String, _ graph: ModelGraph) {
    var counts: [String: Int] = [:]
    for node in graph.allNodes { counts[graph[node].opType, default: 0] += 1 }
    let operators = counts.map {
      InspectionReport.OperatorCount(domain: "", name: $0.key, count: $0.value)
    }
    self.init(path, scheme: InspectionReport.Quantization(graph, operators).scheme)
  }

  /// - Parameter scheme: as `inspect` names it.
  init(_ path: String, scheme: String) {
    fileName = ModelFileName(path)
    let isStatic = scheme.hasPrefix("w") && scheme.contains("a") && !scheme.contains("-")
    if scheme == Self.compiled {
      (name, rank) = (scheme, Self.endings.count + 100)
    } else if isStatic {
      // More bits first: w16a16, w8a16, w8a8, w4a16.
      let bits = scheme.dropFirst().split(separator: "a").compactMap { Int($0) }
      let weightBits = min(max(bits.first ?? 8, 0), 16)
      let activationBits = min(max(bits.last ?? 8, 0), 16)
      (name, rank) = (scheme, Self.endings.count + 50 - 2 * weightBits - activationBits / 8)
    } else if let ending = fileName.variant {
      (name, rank) = (ending, fileName.rank)
    } else {
      let like: String? =
        switch scheme {
        case "fp16", "bf16": scheme
        case "weight-int4": "q4"
        case let scheme where scheme == "dynamic-int8" || scheme.hasPrefix("weight-"): "int8"
        default: nil
        }
      name = like == nil || like == scheme ? like : scheme
      rank = like.flatMap { Self.endings.firstIndex(of: $0) } ?? 0
    }
  }

  /// How sentences call it.
  var title: String { name ?? "fp32" }

  /// Whether a word of the user means this variant.
  func matches(_ word: String) -> Bool {
    let word = word.lowercased()
    if word == title || (name == Self.compiled && word == "ctx") { return true }
    // The ending still names what the graph says more exactly.
    return name == nil || fileName.variant != nil ? fileName.matches(word) : false
  }
}
