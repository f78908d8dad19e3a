public import Tensors

/// One extent of a model's input or output.
public enum Dimension: Hashable, Sendable {
  case fixed(Int)
  /// A name in the file. Extents of one name are meant to be equal within a run, but exporters break the promise
  /// (a merged decoder's first step takes a dummy past), so backends do not insist.
  case symbol(String)
  case unknown
}

/// What a model says about one of its inputs or outputs.
public struct TensorSignature: Hashable, Sendable {
  public let name: String
  /// Nil when the model does not tell.
  public let elementType: ElementType?
  /// Nil when the model does not tell the rank.
  public let dimensions: [Dimension]?

  public init(name: String, elementType: ElementType?, dimensions: [Dimension]?) {
    self.name = name
    self.elementType = elementType
    self.dimensions = dimensions
  }
}
