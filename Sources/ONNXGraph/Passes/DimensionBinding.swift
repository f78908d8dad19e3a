import ONNXFile
import Tensors

/// Gives every dimension of the model's inputs a fixed length.
///
/// A length comes from `lengths` by the dimension's name, by `input.axis` for one without a name, from
/// `shapes` for a whole input, or from the defaults: batch 1 and 3000 mel frames.
public struct DimensionBinding: GraphPass {
  public let name = "bind-dimensions"
  public let requires = "A lifted model."
  public let does = "Gives each open dimension of an input the length that was asked for, or its default."
  public let ensures =
    "Every input has a fixed shape; outputs and inner values have none until shapes are known."

  /// Lengths by the dimension's name, or by `input.axis`.
  public var lengths: [String: Int]
  /// Shapes by input, for what a caller knows of the model's kind; `lengths` win.
  public var shapes: [String: [Int]]

  public init(lengths: [String: Int] = [:], shapes: [String: [Int]] = [:]) {
    self.lengths = lengths
    self.shapes = shapes
  }

  public func run(_ model: inout ModelGraph, _ context: PassContext) throws(PassError) -> PassReport {
    let inputs = model.requiredInputs
    var bound: [String: Int] = [:]
    for value in inputs {
      for (axis, dimension) in (model.declaredShape(of: value) ?? []).enumerated() {
        guard case .symbol(let symbol) = dimension, bound[symbol] == nil else { continue }
        let own = shapes[model[value].name]
        if let length = lengths[symbol] ?? lengths["\(model[value].name).\(axis)"] {
          bound[symbol] = length
        } else if let own, own.indices.contains(axis) {
          bound[symbol] = own[axis]
        } else if let length = Self.usual(model[value].name, symbol, axis) {
          bound[symbol] = length
        }
      }
    }
    var known: Set<String> = []
    var changeCount = 0
    var notes: [String] = []
    for value in inputs {
      let input = model[value].name
      guard let declared = model.declaredShape(of: value), let type = model[value].declaredElementType else {
        throw PassError(.openDimension(input: input, dimension: "?", axis: 0), path: model.path)
      }
      var fixed: [Int] = []
      for (axis, dimension) in declared.enumerated() {
        if let extent = dimension.extent {
          fixed.append(extent)
          continue
        }
        let place = "\(input).\(axis)"
        known.insert(dimension == .unknown ? place : "\(dimension)")
        let length =
          lengths[place] ?? bound["\(dimension)"]
          ?? shapes[input].flatMap { $0.indices.contains(axis) ? $0[axis] : nil }
          ?? Self.usual(input, "", axis)
        guard let length, length > 0 else {
          throw PassError(
            .openDimension(input: input, dimension: "\(dimension)", axis: axis), path: model.path)
        }
        fixed.append(length)
        changeCount += 1
        let note = dimension == .unknown ? "\(place) = \(length)" : "\(dimension) = \(length)"
        if !notes.contains(note) { notes.append(note) }
      }
      model.describe(value, type, fixed)
    }
    for asked in lengths.keys.sorted() where !known.contains(asked) && !isPlace(asked, inputs, model) {
      throw PassError(.otherDimension(name: asked, known: known.sorted()), path: model.path)
    }
    model.forgetShapes()
    return PassReport(name: name, changeCount: changeCount, notes: notes)
  }

  private func isPlace(_ word: String, _ inputs: [ValueID], _ model: ModelGraph) -> Bool {
    inputs.contains { value in
      (model.declaredShape(of: value) ?? []).indices.contains { "\(model[value].name).\($0)" == word }
    }
  }

  /// The length that a dimension of this name has in Whisper when nobody says another one.
  private static func usual(_ input: String, _ symbol: String, _ axis: Int) -> Int? {
    let name = input.lowercased()
    let word = symbol.lowercased()
    let isSound = name == "mel" || name.hasSuffix("features")
    if word.contains("batch") || word == "n_audio" || axis == 0 { return 1 }
    if isSound, axis == 2 { return 3000 }
    if word.hasPrefix("encode") && word.contains("sequence") { return 1500 }
    if axis == 1, name == "encoder_hidden_states" { return 1500 }
    return nil
  }
}

extension ModelGraph {
  /// Drops what the file said of inner values' and outputs' shapes, which was said of open dimensions.
  mutating func forgetShapes() {
    for graph in graphIDs {
      self[graph].descriptions = []
      for node in self[graph].nodes {
        for case let output? in self[node].outputs {
          guard let type = self[output].declaredElementType, var info = self[output].info else { continue }
          if case .tensor(var tensor)? = info.type?.value {
            tensor.shape = nil
            tensor.elemType = type.rawValue
            info.type?.value = .tensor(tensor)
          }
          self[output].info = info
        }
      }
    }
  }
}
