import ONNXFile
import ONNXGraph
import QuantPlan
import Quantize
import Tensors
import TestSupport
import Testing

@Suite("Tables whose rows are gathered")
struct GatherFormTests {
  let bench: QuantizeBench
  init() throws { bench = try QuantizeBench() }

  enum Logits: String, CaseIterable { case none, transpose, gemm, twin }

  /// Gather of a [200, 32] table, with the logits that share it.
  private func model(_ logits: Logits, indices: [Int] = [2, 4], opset: Int64 = 17) -> ModelProto {
    let (rows, columns) = (200, 32)
    var model = ModelProto.sketch(opset: opset)
    model.input("i", .int64, indices)
    model.input("q", [3, columns])
    let table = weights(rows * columns)
    model.floats("table", table, [rows, columns])
    model.node("Gather", ["table", "i"], ["e"], name: "embed")
    model.output("e", indices + [columns])
    switch logits {
    case .none: return model
    case .transpose:
      model.node("Transpose", ["table"], ["t"])
      model.node("MatMul", ["q", "t"], ["z"], name: "logits")
    case .gemm: model.node("Gemm", ["q", "table"], ["z"], name: "logits", [.int("transB", 1)])
    case .twin:
      model.floats(
        "copy", (0..<(rows * columns)).map { table[($0 % rows) * columns + $0 / rows] }, [columns, rows])
      model.node("MatMul", ["q", "copy"], ["z"], name: "logits")
    }
    model.output("z", [3, rows])
    return model
  }

  @Test("in every scheme and format, alone and with the logits, the table is stored once")
  func tables() throws {
    var oracle = Oracle()
    for logits in Logits.allCases {
      for (scheme, format) in [
        (Scheme.dynamicInt8, BlockOperator.contrib), (.weightInt8, .contrib), (.weightInt8, .qdq),
        (.weightInt4, .contrib),
      ] {
        let result = try bench.quantize(model(logits)) { ($0.scheme, $0.format) = (scheme, format) }
        result.requireTidy()
        #expect(!result.graph.allInitializers.contains { ["table", "copy"].contains(result.graph[$0].name) })
        let isBlocks = result.plan.entries[0].treatment?.form == .matMulNBits
        #expect(isBlocks == (logits != .none && scheme != .dynamicInt8 && format == .contrib))
        let big = result.graph.allInitializers.filter {
          result.graph[$0].initializer?.content?.shape.elementCount ?? 0 > 6000
        }
        #expect(big.count == 1, "\(logits) \(scheme) \(format)")
        oracle.ask(
          "\(logits) \(scheme) \(format)", result, sqnr: scheme == .dynamicInt8 && logits != .none ? 28 : 38,
          [isBlocks ? .blocks("table", bits: 8, 32, transposed: true) : .linear("table", axis: 0)])
      }
    }
    try oracle.answers()
  }

  @Test("indices of any rank, a scalar too, and before opset 13")
  func indexRanks() throws {
    var oracle = Oracle()
    for indices in [[], [1], [2, 1, 3]] {
      for scheme in [Scheme.dynamicInt8, .weightInt8] {
        let result = try bench.quantize(model(.transpose, indices: indices)) { $0.scheme = scheme }
        oracle.ask("\(indices) \(scheme)", result, sqnr: 28)
      }
    }
    let old = try bench.quantize(model(.transpose, opset: 12)) { $0.scheme = .weightInt8 }
    #expect(old.graph.opsetVersion() == 12)
    oracle.ask("opset 12", old, sqnr: 38)
    try oracle.answers()
  }

  @Test("a float16 table gives float16 rows")
  func half() throws {
    var oracle = Oracle()
    for logits in [Logits.none, .transpose] {
      var model = model(logits)
      let table = try #require(model.graph?.initializer[0].rawData).copied()
      let floats =
        TensorContent(elementType: .float32, shape: Shape([200, 32])!, bytes: .owned(table)).floats ?? []
      model.graph?.initializer[0] = TensorProto(
        name: "table", .halves(floats.map { Float16($0).bitPattern }, .float16, shape: [200, 32]))
      model.graph?.input[1] = ValueInfoProto("q", .float16, [3, 32])
      for place in 0..<(model.graph?.output.count ?? 0) {
        model.graph?.output[place] = ValueInfoProto(
          place == 0 ? "e" : "z", .float16, place == 0 ? [2, 4, 32] : [3, 200])
      }
      for scheme in [Scheme.dynamicInt8, .weightInt8] {
        let result = try bench.quantize(model) { $0.scheme = scheme }
        result.requireTidy()
        oracle.ask("\(logits) \(scheme)", result, sqnr: 28)
      }
    }
    for verdict in try oracle.answers() {
      #expect(verdict.types.filter { $0 == "tensor(float16)" }.count >= 2)
    }
  }

  @Test("a merged decoder's branches share the one table")
  func merged() throws {
    var model = ModelProto.sketch()
    model.input("i", .int64, [3])
    model.input("flag", .bool, [])
    model.floats("table", weights(200 * 32), [200, 32])
    let branches = ["then_branch", "else_branch"].map { name in
      AttributeProto.graph(
        name,
        GraphProto(
          name,
          [
            NodeProto("Gather", ["table", "i"], [name + "_e"], name: "embed"),
            NodeProto("Transpose", ["table"], [name + "_t"], name: "transpose"),
            NodeProto("MatMul", [name + "_e", name + "_t"], [name + "_y"], name: "logits"),
          ], outputs: [ValueInfoProto(name + "_y", .float32, [3, 200])]))
    }
    model.node("If", ["flag"], ["y"], name: "if", branches)
    model.output("y", [3, 200])
    var oracle = Oracle()
    for (scheme, count) in [(Scheme.dynamicInt8, 4), (.weightInt8, 2)] {
      let result = try bench.quantize(model) { $0.scheme = scheme }
      #expect(
        result.graph.allInitializers.filter { result.graph[$0].name.hasPrefix("table_") }.count == count)
      result.requireTidy()
      oracle.ask("\(scheme)", result, sqnr: 28)
    }
    try oracle.answers()
  }
}
