import ONNXFile
import ONNXGraph
import QuantPlan
import Quantize
import Tensors
import TestSupport
import Testing

@Suite("A plan is checked against the model before anything is done")
struct PlanRefusalTests {
  let bench: QuantizeBench
  init() throws { bench = try QuantizeBench() }

  /// One weight for a MatMul (`w`), a gathered table (`table`), a 1x1 Conv (`k`), a stem (`s`), a mixed one (`m`).
  private func model() -> ModelProto {
    var model = ModelProto.sketch()
    model.input("x", [3, 32])
    model.input("i", .int64, [3])
    model.input("image", [1, 32, 4])
    model.floats("w", weights(32 * 32), [32, 32])
    model.floats("table", weights(160 * 32), [160, 32])
    model.floats("k", weights(16 * 32), [16, 32, 1])
    model.floats("s", weights(16 * 32 * 3), [16, 32, 3])
    model.floats("m", weights(32 * 32), [32, 32])
    model.node("MatMul", ["x", "w"], ["y0"])
    model.node("Gather", ["table", "i"], ["y1"])
    model.node("Conv", ["image", "k"], ["y2"])
    model.node("Conv", ["image", "s"], ["y3"])
    model.node("MatMul", ["x", "m"], ["y4"])
    model.node("Gemm", ["x", "m"], ["y5"], [.int("transB", 1)])
    for index in 0..<6 {
      model.output(
        "y\(index)",
        [Int](repeating: 0, count: index == 2 || index == 3 ? 3 : 2).indices.map { -10 * index - $0 - 1 })
    }
    return model
  }

  private func refusal(
    _ scheme: Scheme = .weightInt8, edit: (inout QuantPlan) -> Void
  ) throws -> QuantizeError.Reason? {
    do {
      _ = try bench.quantize(model(), { $0.scheme = scheme }, edit: edit)
    } catch let error as QuantizeError {
      #expect(error.path.hasSuffix(".onnx") && error.message.hasPrefix(error.path))
      return error.reason
    }
    return nil
  }

  private func why(
    _ weight: String, _ form: WeightForm, _ bits: Int, _ granularity: Granularity, _ size: Int? = nil,
    symmetric: Bool = true,
    scheme: Scheme = .weightInt8
  ) throws -> String? {
    let reason = try refusal(scheme) { plan in
      plan.entries.removeAll { $0.weight != weight }
      plan.entries[0].treatment = Treatment(
        form: form, bits: bits, granularity: granularity, blockSize: size, symmetric: symmetric,
        range: .maximum)
    }
    guard case .impossible(let name, let why)? = reason else { return nil }
    #expect(name == weight)
    return why
  }

  @Test("a plan for another model: other names, shapes, types or graphs")
  func otherModel() throws {
    guard case .unknownWeight("nobody", graph: "")? = try refusal(edit: { $0.entries[0].weight = "nobody" })
    else {
      Issue.record("an unknown weight was taken")
      return
    }
    guard
      case .unknownWeight("w", graph: "if/then_branch")? = try refusal(edit: {
        $0.entries[0].graph = "if/then_branch"
      })
    else {
      Issue.record("an unknown graph was taken")
      return
    }
    guard
      case .otherWeight("w", planned: "float [32, 31]", found: "float [32, 32]")? = try refusal(edit: {
        $0.entries[0].shape = [32, 31]
      })
    else {
      Issue.record("another shape was taken")
      return
    }
    guard
      case .otherWeight("w", planned: "float16 [32, 32]", found: "float [32, 32]")? = try refusal(edit: {
        $0.entries[0].elementType = "float16"
      })
    else {
      Issue.record("another type was taken")
      return
    }
    // What a plan leaves alone may have any name.
    let reason = try refusal {
      $0.entries[0].weight = "nobody"
      $0.entries[0].treatment = nil
    }
    #expect(reason == nil)
  }

  @Test("a weight that is planned twice, as itself or as a twin")
  func twice() throws {
    guard
      case .impossible("w", "the plan treats it twice")? = try refusal(edit: {
        $0.entries.append($0.entries[0])
      })
    else {
      Issue.record("a weight was treated twice")
      return
    }
    guard case .impossible("w", "the plan treats it twice")? = try refusal(edit: { $0.entries[1].twin = "w" })
    else {
      Issue.record("a weight was treated twice")
      return
    }
  }

  @Test("a twin that is none")
  func wrongTwin() throws {
    let reason = try refusal { plan in
      plan.entries.removeAll { $0.weight != "table" }
      plan.entries[0].twin = "w"
    }
    guard case .impossible("w", let why)? = reason else {
      Issue.record("\(String(describing: reason))")
      return
    }
    #expect(why == "it is not the transpose of 'table', or not for a MatMul alone")
  }

  @Test("numbers that a form cannot have")
  func numbers() throws {
    #expect(try why("w", .dequantize, 5, .channel) == "5 bits are not possible, 4 and 8 are")
    #expect(
      try why("w", .matMulNBits, 8, .block, 48)
        == "block granularity needs a block_size of 16, 32, 64, 128 or 256")
    #expect(
      try why("w", .matMulNBits, 8, .block)
        == "block granularity needs a block_size of 16, 32, 64, 128 or 256")
    #expect(try why("w", .matMulNBits, 8, .channel) == "MatMulNBits needs block granularity")
    #expect(
      try why("w", .dequantize, 8, .channel, symmetric: false) == "zero points are for block granularity only"
    )
    #expect(
      try why("w", .dynamicMatMul, 4, .channel) == "run-time activations need 8 bits per channel or tensor")
    #expect(
      try why("w", .dynamicMatMul, 8, .block, 32) == "run-time activations need 8 bits per channel or tensor")
    #expect(try why("table", .gatherRows, 4, .channel) == "gathered rows need 8 bits per channel")
    #expect(try why("table", .gatherRows, 8, .tensor) == "gathered rows need 8 bits per channel")
    #expect(try why("w", .half, 16, .tensor) == "binary16 is for whole models, use --scheme fp16")
  }

  @Test("forms that are not for the users of a weight")
  func forms() throws {
    func other(_ form: WeightForm) -> String { "the form '\(form.rawValue)' is not for all of its users" }
    #expect(try why("table", .dynamicMatMul, 8, .channel) == other(.dynamicMatMul))
    #expect(try why("k", .dynamicMatMul, 8, .channel) == other(.dynamicMatMul))
    #expect(try why("w", .dynamicConvolution, 8, .channel) == other(.dynamicConvolution))
    #expect(try why("k", .matMulNBits, 8, .block, 32) == other(.matMulNBits))
    #expect(try why("w", .gatherRows, 8, .channel) == other(.gatherRows))
    #expect(try why("s", .dequantize, 8, .block, 32) == "only the weight of a 1x1 Conv has blocks")
    let table = "a gathered table needs 8 bits without zero points, in rows of whole blocks"
    #expect(try why("table", .matMulNBits, 4, .block, 32) == table)
    #expect(try why("table", .matMulNBits, 8, .block, 32, symmetric: false) == table)
    #expect(try why("table", .matMulNBits, 8, .block, 64) == table)
    #expect(
      try why("m", .dequantize, 8, .channel)
        == "it is used both as it is and transposed, so its channels differ by user")
    #expect(
      try why("m", .dynamicMatMul, 8, .channel)
        == "it is used both as it is and transposed, so its channels differ by user")
  }

  @Test("edits that can be done are done: one scale for a mixed weight, blocks for a table")
  func possibleEdits() throws {
    var oracle = Oracle()
    for (weight, treatment, question) in [
      (
        "m",
        Treatment(
          form: .dequantize, bits: 8, granularity: .tensor, blockSize: nil, symmetric: true, range: .maximum),
        WeightQuestion.linear("m", axis: 0)
      ),
      (
        "m",
        Treatment(
          form: .dynamicMatMul, bits: 8, granularity: .tensor, blockSize: nil, symmetric: true,
          range: .maximum),
        .linear("m", axis: 0)
      ),
      (
        "table",
        Treatment(
          form: .matMulNBits, bits: 8, granularity: .block, blockSize: 32, symmetric: true, range: .maximum),
        .blocks("table", bits: 8, 32, transposed: true)
      ),
      (
        "table",
        Treatment(
          form: .dequantize, bits: 8, granularity: .block, blockSize: 16, symmetric: true, range: .maximum),
        .linear("table", axis: 1, block: 16)
      ),
      (
        "k",
        Treatment(
          form: .dequantize, bits: 4, granularity: .block, blockSize: 16, symmetric: false, range: .maximum),
        .linear("k", axis: 1, block: 16, .free)
      ),
    ] {
      let result = try bench.quantize(model()) {
        $0.scheme = .weightInt8
      } edit: { plan in
        plan.entries.removeAll { $0.weight != weight }
        plan.entries[0].treatment = treatment
      }
      result.requireTidy()
      oracle.ask("\(weight) \(treatment.form)", result, sqnr: treatment.bits == 4 ? 12 : 30, [question])
    }
    try oracle.answers()
  }

  @Test("a weight with another use, or that nothing takes")
  func uses() throws {
    var other = ModelProto.sketch()
    other.input("x", [3, 32])
    other.floats("w", weights(32 * 32), [32, 32])
    other.floats("idle", weights(32), [32])
    other.node("Add", ["x", "w"], ["y"])
    other.output("y", [3, 32])
    for (place, expected) in [
      (0, "Add takes it, which stays float"), (1, "no node takes it, or it has no elements"),
    ] {
      let error = #expect(throws: QuantizeError.self) {
        _ = try bench.quantize(other) { _ in
        } edit: { plan in
          plan.entries[place].treatment = Treatment(
            form: .dequantize, bits: 8, granularity: .tensor, blockSize: nil, symmetric: true, range: .maximum
          )
        }
      }
      guard case .impossible(_, let why)? = error?.reason else {
        Issue.record("\(String(describing: error))")
        continue
      }
      #expect(why == expected)
    }
  }

  @Test("an operator set that cannot be raised is named with the node")
  func opset() throws {
    var old = ModelProto.sketch(opset: 12)
    old.input("x", [3, 32])
    old.floats("w", weights(32 * 32), [32, 32])
    old.node("MatMul", ["x", "w"], ["m"])
    old.node("Softmax", ["m"], ["y"], name: "softmax", [.int("axis", 0)])
    old.output("y", [3, 32])
    let error = #expect(throws: QuantizeError.self) {
      _ = try bench.quantize(old) { ($0.scheme, $0.granularity) = (.weightInt8, .channel) }
    }
    let message = error?.message ?? ""
    #expect(message.contains("opset 12") && message.contains("'softmax'"))
  }
}
