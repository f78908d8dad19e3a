public import ONNXGraph

/// What a model file is of Whisper: layout, part, dimensions and the published model it belongs to.
///
/// It is read from the graph (inputs, outputs, operators, metadata), never from the name of the file.
public struct WhisperModelDescription: Sendable, Equatable {
  public let layout: WhisperLayout
  /// The layout whose names the inputs and outputs have; it differs from `layout` for compiled packages only.
  public let interface: WhisperLayout
  public let part: WhisperPart
  /// Whether the graph shows what only Whisper has, not just names that other models share.
  public let isWhisper: Bool
  public let dimensions: WhisperDimensions
  /// The published model of these dimensions; nil when this is no Whisper or the file does not tell.
  public let size: WhisperSize?
  /// Whether every input has a fixed shape.
  public let hasStaticShapes: Bool
  /// Names of the dimensions that are open, in order of appearance.
  public let openDimensions: [String]
  /// The program that wrote the file and its version, such as `pytorch 2.13.0`; nil when it does not say.
  public let producer: String?

  /// Reads what a model is; pure, and without touching weights.
  public static func recognise(_ graph: ModelGraph) -> WhisperModelDescription {
    let scope = RecognitionScope(graph)
    let (interface, part) = scope.ports.interface
    let layout: WhisperLayout =
      scope.isCompiled ? .epContext : scope.searchNode != nil ? .beamSearch : interface
    let found = DimensionReader(scope, interface: interface, part: part)
    let shownPart = part == .unknown ? found.partByStructure : part
    let isWhisper = found.isWhisper(part: shownPart)
    let inputShapes = graph.requiredInputs.map { graph.declaredShape(of: $0) }
    var open: [String] = []
    var seen: Set<String> = []
    for case let dimension in inputShapes.compactMap({ $0 }).joined() where dimension.extent == nil {
      if seen.insert(dimension.description).inserted { open.append(dimension.description) }
    }
    return WhisperModelDescription(
      layout: layout, interface: interface, part: shownPart, isWhisper: isWhisper,
      dimensions: found.dimensions, size: isWhisper ? WhisperSize.named(found.dimensions) : nil,
      hasStaticShapes: open.isEmpty && !inputShapes.contains { $0 == nil }, openDimensions: open,
      producer: graph.producer)
  }
}
