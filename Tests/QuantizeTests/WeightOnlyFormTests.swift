import ONNXFile
import ONNXGraph
import QuantPlan
import Quantize
import Tensors
import TestSupport
import Testing

@Suite("Integer weights with float activations")
struct WeightOnlyFormTests {
  let bench: QuantizeBench
  init() throws { bench = try QuantizeBench() }

  /// x[5, K] · w[K, N], or with [N, K] through Gemm's transB.
  private func model(_ k: Int, _ n: Int, transposed: Bool = false, opset: Int64 = 17) -> ModelProto {
    var model = ModelProto.sketch(opset: opset)
    model.input("x", [5, k])
    model.floats("w", weights(k * n), transposed ? [n, k] : [k, n])
    model.floats("b", weights(n, seed: 2), [n])
    if transposed {
      model.node("Gemm", ["x", "w", "b"], ["y"], name: "layer", [.int("transB", 1)])
    } else {
      model.node("MatMul", ["x", "w"], ["p"], name: "layer")
      model.node("Add", ["p", "b"], ["y"])
    }
    model.output("y", [5, n])
    return model
  }

  /// Decibels that 8 and 4 bits reach on these weights, with a margin.
  private func limit(_ bits: Int) -> Double { bits == 8 ? 38 : 14 }

  @Test("MatMulNBits: 4 and 8 bits, with zero points or not, K of whole blocks or not, [K, N] or [N, K]")
  func matMulNBits() throws {
    var oracle = Oracle()
    for scheme in [Scheme.weightInt8, .weightInt4] {
      for symmetric in [true, false] {
        for (k, n, size) in [(64, 24, 32), (48, 33, 32), (100, 7, 16), (130, 5, 128)] {
          for transposed in [false, true] {
            for range in [RangeRule.maximum, .leastSquares] {
              let result = try bench.quantize(model(k, n, transposed: transposed)) {
                ($0.scheme, $0.symmetric, $0.blockSize, $0.range) = (scheme, symmetric, size, range)
              }
              let bits = scheme == .weightInt8 ? 8 : 4
              #expect(result.operators == ["MatMulNBits": 1, "Add": 1])
              let blocks = (k + size - 1) / size
              #expect(try result.content("w_Q\(bits)").shape.dimensions == [n, blocks, size * bits / 8])
              #expect(try result.content("w_scales").shape.dimensions == [n, blocks])
              if !symmetric {
                #expect(
                  try result.content("w_zero_points").shape.dimensions == [
                    n, bits == 8 ? blocks : (blocks + 1) / 2,
                  ])
              }
              result.requireTidy()
              oracle.ask(
                "\(scheme) symmetric \(symmetric) \(k)x\(n)/\(size) transposed \(transposed) \(range)",
                result,
                sqnr: limit(bits),
                [.blocks("w", bits: bits, size, transposed: transposed, range == .maximum ? .maximum : .free)]
              )
            }
          }
        }
      }
    }
    try oracle.answers()
  }

  @Test("DequantizeLinear: per tensor, per channel and in blocks, 4 and 8 bits, with zero points or not")
  func dequantize() throws {
    var oracle = Oracle()
    for scheme in [Scheme.weightInt8, .weightInt4] {
      let bits = scheme == .weightInt8 ? 8 : 4
      for (granularity, symmetric) in [
        (Granularity.tensor, true), (.channel, true), (.block, true), (.block, false),
      ] {
        for (k, n, size) in [(64, 24, 32), (96, 33, 32), (40, 5, 16)] {
          for transposed in [false, true] {
            let result = try bench.quantize(model(k, n, transposed: transposed)) {
              ($0.scheme, $0.granularity, $0.symmetric, $0.blockSize) = (scheme, granularity, symmetric, size)
              ($0.format, $0.range) = (.qdq, .maximum)
            }
            #expect(result.operators["DequantizeLinear"] == 1)
            #expect(result.graph.opsetVersion() == (bits == 4 || granularity == .block ? 21 : 17))
            result.requireTidy()
            let isBlock = granularity == .block
            let axis = isBlock ? (transposed ? 1 : 0) : (transposed ? 0 : 1)
            oracle.ask(
              "\(scheme) \(granularity) symmetric \(symmetric) \(k)x\(n)/\(size) transposed \(transposed)",
              result,
              sqnr: bits == 8 ? 36 : granularity == .tensor ? 8 : 12,
              [.linear("w", axis: axis, block: isBlock ? size : 0, symmetric ? .maximum : .free)])
          }
        }
      }
    }
    try oracle.answers()
  }

  @Test("least squares lowers the error of every form, and integers stay those of QuantizeLinear")
  func leastSquares() throws {
    var oracle = Oracle()
    for (granularity, size) in [(Granularity.channel, 0), (.tensor, 0), (.block, 32)] {
      var errors: [Double] = []
      for range in [RangeRule.maximum, .leastSquares] {
        let result = try bench.quantize(model(64, 24)) {
          ($0.scheme, $0.format, $0.granularity, $0.range) = (.weightInt4, .qdq, granularity, range)
        }
        errors.append(result.outcomes[0].error)
        guard granularity == .block else { continue }
        oracle.ask("\(granularity) \(range)", result, sqnr: 12, [.linear("w", axis: 0, block: size, .free)])
      }
      #expect(errors[1] <= errors[0], "\(granularity)")
      #expect(errors[1] > 0)
    }
    try oracle.answers()
  }

  @Test("a weight that several nodes take is dequantized once, also through Transpose and in bodies")
  func sharing() throws {
    var shared = ModelProto.sketch()
    shared.input("x", [3, 32])
    shared.input("flag", .bool, [])
    shared.floats("w", weights(32 * 32), [32, 32])
    shared.node("Transpose", ["w"], ["t"])
    shared.node("MatMul", ["x", "t"], ["m"], name: "m")
    let branches = ["then_branch", "else_branch"].map { name in
      AttributeProto.graph(
        name,
        GraphProto(
          name, [NodeProto("MatMul", ["m", "t"], [name], name: name)],
          outputs: [ValueInfoProto(name, .float32, [3, 32])]))
    }
    shared.node("If", ["flag"], ["y"], branches)
    shared.output("y", [3, 32])
    var oracle = Oracle()
    let result = try bench.quantize(shared) { ($0.scheme, $0.granularity) = (.weightInt8, .channel) }
    #expect(result.operators["DequantizeLinear"] == 1)
    result.requireTidy()
    oracle.ask("dequantized", result, sqnr: 38, [.linear("w", axis: 0)])
    let blocks = try bench.quantize(shared) { $0.scheme = .weightInt8 }
    #expect(blocks.operators["MatMulNBits"] == 3 && blocks.operators["Transpose"] == nil)
    #expect(blocks.graph.allInitializers.count == 2)
    blocks.requireTidy()
    oracle.ask("blocks", blocks, sqnr: 38, [.blocks("w", bits: 8, 32, transposed: true)])
    try oracle.answers()
  }

  @Test("convolutions: channels, and blocks along the input channels of a 1x1 kernel")
  func convolutions() throws {
    func conv(_ shape: [Int], _ input: [Int], group: Int64 = 1) -> ModelProto {
      var model = ModelProto.sketch()
      model.input("x", input)
      model.floats("w", weights(shape.reduce(1, *)), shape)
      model.floats("b", weights(shape[0], seed: 4), [shape[0]])
      model.node("Conv", ["x", "w", "b"], ["y"], name: "conv", [.int("group", group)])
      model.output("y", input.indices.map { -$0 - 1 })
      return model
    }
    var oracle = Oracle()
    let stem = try bench.quantize(conv([8, 6, 3], [2, 6, 20])) {
      ($0.scheme, $0.convolutions) = (.weightInt4, .always)
    }
    oracle.ask("stem", stem, sqnr: 36, [.linear("w", axis: 0, .free)])
    let pointwise = try bench.quantize(conv([16, 32, 1, 1], [1, 32, 4, 5])) { $0.scheme = .weightInt8 }
    oracle.ask("pointwise", pointwise, sqnr: 36, [.linear("w", axis: 0)])
    let grouped = try bench.quantize(conv([16, 16, 1, 1], [1, 32, 4, 5], group: 2)) {
      $0.scheme = .weightInt8
    }
    oracle.ask("pointwise in groups", grouped, sqnr: 36, [.linear("w", axis: 0)])
    for scheme in [Scheme.weightInt8, .weightInt4] {
      let blocks = try bench.quantize(conv([15, 64, 1, 1], [1, 64, 4, 5])) {
        ($0.scheme, $0.format, $0.range) = (scheme, .qdq, .maximum)
      }
      #expect(try blocks.content("w_scale").shape.dimensions == [15, 2, 1, 1])
      oracle.ask(
        "pointwise blocks \(scheme)", blocks, sqnr: scheme == .weightInt8 ? 36 : 12,
        [.linear("w", axis: 1, block: 32)])
    }
    try oracle.answers()
  }

  @Test("an older operator set is raised where the form needs it, and only there")
  func opsets() throws {
    var oracle = Oracle()
    for (scheme, format, granularity, expected) in [
      (Scheme.dynamicInt8, BlockOperator.contrib, Granularity.channel, 11),
      (.weightInt4, .contrib, .block, 11),
      (.weightInt8, .contrib, .channel, 13), (.weightInt8, .qdq, .block, 21),
    ] as [(Scheme, BlockOperator, Granularity, Int64)] {
      let result = try bench.quantize(model(64, 24, opset: 11)) {
        ($0.scheme, $0.format, $0.granularity) = (scheme, format, granularity)
      }
      #expect(result.graph.opsetVersion() == expected, "\(scheme) \(format)")
      oracle.ask("opset 11, \(scheme) \(format)", result, sqnr: scheme == .weightInt4 ? 12 : 30)
    }
    try oracle.answers()
  }
}
