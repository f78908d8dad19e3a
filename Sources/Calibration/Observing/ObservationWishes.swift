/// What is to be found out about a tensor.
public struct Observation: OptionSet, Sendable, Hashable {
  public let rawValue: UInt8

  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Count, smallest and largest value, histogram.
  public static let range = Observation(rawValue: 1)
  /// The range of each channel of the last axis; the range of the whole comes with it.
  public static let channels = Observation(rawValue: 2)
  /// The Gram matrix and the means of the channels of the last axis.
  public static let gram = Observation(rawValue: 4)
}

/// The tensors to observe, by name.
public struct ObservationWishes: Sendable, Equatable {
  public private(set) var tensors: [String: Observation]

  public init(_ tensors: [String: Observation] = [:]) { self.tensors = tensors.filter { !$0.value.isEmpty } }

  /// Adds a wish to those that a tensor has.
  public mutating func add(_ wish: Observation, of name: String) {
    if !wish.isEmpty { tensors[name, default: []].formUnion(wish) }
  }

  public subscript(name: String) -> Observation { tensors[name] ?? [] }

  /// The wishes without Gram matrices, which are made sweep by sweep.
  public var withoutGram: ObservationWishes { ObservationWishes(tensors.mapValues { $0.subtracting(.gram) }) }
}
