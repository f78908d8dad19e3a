import Kernels
import ModelBackend
import Tensors

/// Joins steps that follow each other into one where a kernel does them together.
///
/// A value between joined steps must have no other use and must not be asked for. The joined step stands where the
/// last of them stood, so all its inputs are there.
struct Fusion {
  private var steps: [Step?]
  private let constants: [Int: RunTensor]
  private let kept: Set<Int>
  private var uses: [Int: [Int]] = [:]
  private var producer: [Int: Int] = [:]

  /// `kept` are slots that are needed afterwards.
  static func fused(_ steps: [Step], constants: [Int: RunTensor], kept: Set<Int>) -> [Step] {
    var pass = Fusion(steps, constants, kept)
    for index in steps.indices { pass.joinGelu(at: index) }
    for index in steps.indices { pass.joinIntegerProduct(at: index) }
    for index in steps.indices { pass.joinBias(at: index) }
    for index in steps.indices { pass.joinTransposedOperand(at: index) }
    return pass.steps.compactMap { $0 }
  }

  private init(_ steps: [Step], _ constants: [Int: RunTensor], _ kept: Set<Int>) {
    self.steps = steps
    self.constants = constants
    self.kept = kept
    for (index, step) in steps.enumerated() {
      for slot in step.inputs.compactMap({ $0 }) + step.captured { uses[slot, default: []].append(index) }
      for case let slot? in step.outputs { producer[slot] = index }
    }
  }

  // MARK: Questions

  private func isOperator(_ index: Int, _ name: String) -> Bool {
    guard let step = steps[index] else { return false }
    return step.facts.opType == name && step.facts.domain.isEmpty
  }

  /// The one step that uses the one output of a step.
  private func onlyUser(_ index: Int) -> Int? {
    guard let step = steps[index], step.outputs.count == 1, let slot = step.outputs[0], !kept.contains(slot),
      let users = uses[slot], users.count == 1, steps[users[0]] != nil
    else { return nil }
    return users[0]
  }

  /// The operand of a step of two operands that is not `slot`.
  private func other(_ index: Int, than slot: Int?) -> Int? {
    guard let inputs = steps[index]?.inputs, inputs.count == 2 else { return nil }
    return inputs[0] == slot ? inputs[1] : inputs[1] == slot ? inputs[0] : nil
  }

  /// The value of a constant of one float.
  private func scalar(_ slot: Int?) -> Float? {
    guard let slot, let tensor = constants[slot], tensor.elementType == .float32, tensor.count == 1,
      tensor.isAligned
    else { return nil }
    return tensor.floats[0]
  }

  private func isNear(_ slot: Int?, _ value: Float) -> Bool {
    scalar(slot).map { abs($0 - value) <= 1e-5 * abs(value) } ?? false
  }

  private mutating func replace(_ gone: [Int], at index: Int, with step: Step) {
    for other in gone {
      for slot in steps[other]?.inputs.compactMap({ $0 }) ?? [] { uses[slot]?.removeAll { $0 == other } }
      steps[other] = nil
    }
    for slot in steps[index]?.inputs.compactMap({ $0 }) ?? [] { uses[slot]?.removeAll { $0 == index } }
    steps[index] = step
    for slot in step.inputs.compactMap({ $0 }) { uses[slot, default: []].append(index) }
    for case let slot? in step.outputs { producer[slot] = index }
  }

  // MARK: Patterns

  /// x · 0.5 · (1 + erf(x / √2)), in any order of the products.
  private mutating func joinGelu(at erf: Int) {
    guard isOperator(erf, "Erf"), let inner = steps[erf]?.inputs.first ?? nil, let scaling = producer[inner],
      onlyUser(scaling) == erf, let addition = onlyUser(erf), isOperator(addition, "Add"),
      isNear(other(addition, than: steps[erf]?.outputs[0]), 1), let product = onlyUser(addition),
      isOperator(product, "Mul"), let factor = other(product, than: steps[addition]?.outputs[0])
    else { return }
    let x: Int?
    if isOperator(scaling, "Div"), isNear(steps[scaling]?.inputs[1], Float(2).squareRoot()) {
      x = steps[scaling]?.inputs[0]
    } else if isOperator(scaling, "Mul"), let inputs = steps[scaling]?.inputs {
      let root = Float(0.5).squareRoot()
      x = isNear(inputs[1], root) ? inputs[0] : isNear(inputs[0], root) ? inputs[1] : nil
    } else {
      x = nil
    }
    guard let x else { return }
    if factor == x, let last = onlyUser(product), isOperator(last, "Mul"),
      isNear(other(last, than: steps[product]?.outputs[0]), 0.5)
    {
      return putGelu(x, [scaling, erf, addition, product], at: last)
    }
    if let half = producer[factor], isOperator(half, "Mul"), onlyUser(half) == product,
      isNear(other(half, than: x), 0.5)
    {
      putGelu(x, [scaling, erf, addition, half], at: product)
    }
  }

  private mutating func putGelu(_ x: Int, _ gone: [Int], at last: Int) {
    guard let step = steps[last] else { return }
    let evaluation = Evaluation.tensors { (call) throws(BackendError) in
      let x = try call.tensor(0)
      return [try call.real(x, .gelu, gelu)]
    }
    replace(
      gone, at: last,
      with: Step(
        facts: step.facts, evaluation: evaluation, half: .widened, inputs: [x], outputs: step.outputs,
        captured: [],
        isConstant: step.isConstant))
  }

  /// MatMulInteger → Cast to float → Mul by scales [→ Add of a bias].
  private mutating func joinIntegerProduct(at product: Int) {
    guard isOperator(product, "MatMulInteger"), let first = steps[product], let cast = onlyUser(product),
      isOperator(cast, "Cast"), steps[cast]?.facts.integer("to") == Int(ElementType.float32.rawValue),
      let scaling = onlyUser(cast), isOperator(scaling, "Mul"),
      let scale = other(scaling, than: steps[cast]?.outputs[0])
    else { return }
    var inputs = first.inputs
    while inputs.count < 4 { inputs.append(nil) }
    inputs.append(scale)
    var gone = [product, cast]
    var last = scaling
    if let addition = onlyUser(scaling), isOperator(addition, "Add"),
      let bias = other(addition, than: steps[scaling]?.outputs[0]), let value = constants[bias],
      value.rank == 1,
      value.elementType == .float32
    {
      inputs.append(bias)
      gone.append(scaling)
      last = addition
    }
    guard let step = steps[last] else { return }
    replace(
      gone, at: last,
      with: Step(
        facts: first.facts, evaluation: .tensors(OperatorTable.scaledIntegerProduct), half: .own,
        inputs: inputs,
        outputs: step.outputs, captured: [], isConstant: step.isConstant))
  }

  /// MatMul whose right operand is a Transpose of the last two axes.
  private mutating func joinTransposedOperand(at product: Int) {
    guard isOperator(product, "MatMul"), let step = steps[product], step.inputs.count == 2,
      let right = step.inputs[1],
      let transposition = producer[right], isOperator(transposition, "Transpose"),
      onlyUser(transposition) == product, let inner = steps[transposition],
      let order = inner.facts.integers("perm"),
      order.count >= 2, order == Array(0..<order.count - 2) + [order.count - 1, order.count - 2]
    else { return }
    let evaluation = Evaluation.tensors { (call) throws(BackendError) in
      let (a, b) = (try call.tensor(0), try call.raw(1))
      if a.elementType == .float32, b.elementType == .float32, b.rank >= 2 {
        return [try call.product(a, b, transposesB: true)]
      }
      return [
        try OperatorTable.otherProduct(a, try call.tensor(1), transposesA: false, transposesB: true, call)
      ]
    }
    replace(
      [transposition], at: product,
      with: Step(
        facts: step.facts, evaluation: evaluation, half: .widened, inputs: [step.inputs[0], inner.inputs[0]],
        outputs: step.outputs, captured: [], isConstant: step.isConstant))
  }

  /// MatMul → Add of a constant with one element per column.
  private mutating func joinBias(at product: Int) {
    guard isOperator(product, "MatMul"), let step = steps[product], step.inputs.count == 2,
      let addition = onlyUser(product), isOperator(addition, "Add"),
      let bias = other(addition, than: step.outputs[0]), let value = constants[bias], value.rank == 1,
      value.elementType == .float32, value.isAligned, case .tensors(let multiply) = step.evaluation,
      let last = steps[addition]
    else { return }
    let evaluation = Evaluation.tensors { (call) throws(BackendError) in
      let (a, b, bias) = (try call.tensor(0), try call.raw(1), try call.tensor(2))
      if a.elementType == .float32, b.elementType == .float32, b.rank >= 2, b.dimensions.last == bias.count {
        return [try call.product(a, b, bias: bias)]
      }
      let product = try multiply(call)
      return [try call.arithmetic(.add, product[0], bias)]
    }
    replace(
      [product], at: addition,
      with: Step(
        facts: step.facts, evaluation: evaluation, half: .widened, inputs: step.inputs + [bias],
        outputs: last.outputs, captured: [], isConstant: last.isConstant))
  }
}
