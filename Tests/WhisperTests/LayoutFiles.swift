import Foundation
import ONNXFile
import ONNXGraph
import TestSupport
import Whisper

/// Models of the repository as graphs.
enum LayoutFiles {
  static func graph(_ path: String) throws -> ModelGraph {
    try ModelGraph.lift(
      ModelReader.read(path: path), external: ExternalDataFiles(modelPath: path), tensors: .noted)
  }

  /// A file of `Tests/Resources/layouts`.
  static func resource(_ name: String) throws -> ModelGraph {
    try graph(PackageRoot.path("Tests/Resources/layouts/" + name))
  }
}

extension WhisperModelDescription {
  /// Layout, part, then what is known: mels, hidden size, encoder/decoder layers, heads x width, vocabulary,
  /// cache length, size; `static` or `dynamic`.
  var line: String {
    func text(_ number: Int?) -> String { number.map(String.init) ?? "-" }
    let layer = "\(text(dimensions.encoderLayerCount))/\(text(dimensions.decoderLayerCount))"
    let heads = "\(text(dimensions.headCount))x\(text(dimensions.headWidth))"
    return [
      layout.rawValue, part.rawValue, "mels \(text(dimensions.melCount))", "d \(text(dimensions.width))",
      "layers \(layer)", heads, "V \(text(dimensions.vocabularyCount))",
      "cache \(text(dimensions.selfCacheLength))", hasStaticShapes ? "static" : "dynamic",
      isWhisper ? size?.name ?? "-" : "no Whisper",
    ].joined(separator: ", ")
  }
}

/// Plain file access for tests.
enum Files {
  static func read(_ path: String) throws -> [UInt8] {
    try [UInt8](Data(contentsOf: URL(filePath: path)))
  }
}
