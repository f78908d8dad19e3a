import ONNXFile
import Tensors

/// Makes one `Gelu` of its parts, and of ONNX Runtime's variants.
public struct GeluFusion: GraphPass {
  public let name = "fuse-gelu"
  public let requires = "Operator set 20 or newer."
  public let does =
    "Replaces 0.5·x·(1 + Erf(x/√2)), its factors in any order, by Gelu(x); com.microsoft.Gelu, BiasGelu and "
    + "FastGelu by Gelu, with an Add for the bias."
  public let ensures = "No Erf of a Gelu and no contrib Gelu is left."

  public init() {}

  public func run(_ model: inout ModelGraph, _ context: PassContext) throws(PassError) -> PassReport {
    var changeCount = 0
    var notes: [String] = []
    for node in model[model.root].nodes where model.isPresent(node) {
      if model.isOperator(node, "Erf") {
        if fuse(node, &model) { changeCount += 1 }
      } else if model[node].domain == "com.microsoft" {
        switch model[node].opType {
        case "Gelu": rewrite(node, bias: nil, approximate: nil, &model)
        case "BiasGelu": rewrite(node, bias: 1, approximate: nil, &model)
        case "FastGelu": rewrite(node, bias: 1, approximate: "tanh", &model)
        default: continue
        }
        changeCount += 1
        if model.opsetVersion(domain: "com.microsoft") != nil, notes.isEmpty {
          notes.append("contrib Gelu became Gelu of ai.onnx")
        }
      }
    }
    return PassReport(name: name, changeCount: changeCount, notes: notes)
  }

  private func rewrite(_ node: NodeID, bias: Int?, approximate: String?, _ model: inout ModelGraph) {
    guard let output = model.output(of: node), let input = model.input(0, of: node) else { return }
    var drafts: [NodeDraft] = []
    var value = input
    if let bias, let added = model.input(bias, of: node) {
      value = model.makeValue("\(model[output].name)_biased", in: model.root)
      drafts.append(
        NodeDraft("Add", name: "\(model.label(of: node))/Add", inputs: [input, added], outputs: [value]))
    }
    drafts.append(
      NodeDraft(
        "Gelu", name: model.label(of: node), inputs: [value], outputs: [output],
        attributes: approximate.map { [.string("approximate", $0)] } ?? []))
    let name = model[node].name
    let made = model.replace(node, with: drafts)
    if let last = made.last { model.inherit(name, by: last) }
  }

  private func fuse(_ erf: NodeID, _ model: inout ModelGraph) -> Bool {
    guard let scaled = model[erf].inputs.first.flatMap({ $0 }), let scale = model[scaled].producer,
      let (x, factor) = model.scaling(scale), isNear(factor, 0.5.squareRoot()), model.soleUse(scaled) != nil,
      let error = model.output(of: erf), let add = model.soleUser(error, "Add"),
      isNear(model.scalar(model.partner(of: error, in: add)), 1), var current = model.output(of: add)
    else { return false }
    // What is still to be multiplied in; the factors come one by one or as one product.
    var needsHalf = true
    var needsInput = true
    var parts: Set<NodeID> = [scale, erf, add]
    var last = add
    while needsHalf || needsInput {
      guard let use = model.soleUse(current) else { return false }
      let node = use.node
      if needsHalf, let (value, factor) = model.scaling(node), value == current, isNear(factor, 0.5) {
        needsHalf = false
      } else if model.isOperator(node, "Mul"), let other = model.partner(of: current, in: node), needsInput {
        if other == x {
          needsInput = false
        } else if needsHalf, let half = model[other].producer, let (value, factor) = model.scaling(half),
          value == x, isNear(factor, 0.5), model.soleUse(other) != nil
        {
          needsInput = false
          needsHalf = false
          parts.insert(half)
        } else {
          return false
        }
      } else {
        return false
      }
      parts.insert(node)
      last = node
      guard let output = model.output(of: node) else { return false }
      current = output
    }
    parts.remove(last)
    let name = "\(model.label(of: erf))/Gelu"
    model.replace(last, with: [NodeDraft("Gelu", name: name, inputs: [x], outputs: [current])])
    model.remove(parts)
    return true
  }
}
