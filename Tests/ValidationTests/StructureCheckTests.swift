import ByteIO
import Foundation
import ONNXFile
import ONNXGraph
import Tensors
import TestSupport
import Testing
import Validation

@Suite("Structure of models")
struct StructureCheckTests {
  /// y = x · w + b, in order.
  private static func good() -> TestGraph {
    var graph = TestGraph()
    graph.input("x", ["1", "4"])
    graph.constant("w", [Double](repeating: 1, count: 8), [4, 2])
    graph.node("MatMul", ["x", "w"], ["p"])
    graph.node("Relu", ["p"], ["y"])
    graph.output("y", ["1", "2"])
    return graph
  }

  private static func rules(_ graph: TestGraph) throws -> [String] {
    let findings = StructureCheck.findings(in: try graph.lifted())
    #expect(findings.allSatisfy { $0.severity == .error })
    return findings.map(\.rule)
  }

  @Test("A model in order has no finding")
  func whole() throws { #expect(try Self.rules(Self.good()) == []) }

  @Test("The table of operators is what the onnx package says")
  func schemas() throws {
    let expected = try PythonOracle.output(script: "operator_schemas.py")
    let path = PackageRoot.path("Sources/Validation/OperatorSchemas.swift")
    #expect(try String(contentsOfFile: path, encoding: .utf8) == expected)
  }

  @Test("Every model of the layouts passes")
  func layouts() throws {
    let folder = PackageRoot.path("Tests/Resources/layouts")
    let models = try FileManager.default.subpathsOfDirectory(atPath: folder).filter { $0.hasSuffix(".onnx") }
    #expect(models.count > 20)
    for name in models {
      let path = folder + "/" + name
      let model = try ModelGraph.lift(
        ModelReader.read(MappedFile(path: path)), external: ExternalDataFiles(modelPath: path))
      #expect(StructureCheck.findings(in: model).map(\.message) == [], "\(name)")
    }
  }

  @Test("Headers: IR version, operator sets and the graph's name")
  func header() throws {
    var graph = Self.good()
    graph.irVersion = nil
    #expect(try Self.rules(graph) == ["ir-version"])
    graph.irVersion = 99
    #expect(try Self.rules(graph) == ["ir-version"])
    graph.irVersion = 3
    #expect(try Self.rules(graph) == ["initializer"])
    graph = Self.good()
    graph.opsets = [("", 21), ("ai.onnx", 20)]
    #expect(try Self.rules(graph) == ["opset-import"])
    graph.opsets = [("com.microsoft", 1)]
    #expect(try Self.rules(graph) == ["opset-import", "opset-import"])
    graph = Self.good()
    graph.message { $0.name = "" }
    #expect(try Self.rules(graph) == ["graph-name"])
  }

  @Test("Inputs and outputs without type or shape")
  func ports() throws {
    var graph = Self.good()
    graph.message { $0.output[0].type = nil }
    #expect(try Self.rules(graph) == ["port-type"])
    graph = Self.good()
    graph.message {
      guard case .tensor(var tensor)? = $0.input[0].type?.value else { return }
      tensor.shape = nil
      $0.input[0].type?.value = .tensor(tensor)
    }
    #expect(try Self.rules(graph) == ["port-shape"])
  }

  @Test("Nodes: order, unknown operators, numbers of inputs and outputs, attributes")
  func nodes() throws {
    var graph = Self.good()
    graph.message { $0.node.reverse() }
    #expect(try Self.rules(graph) == ["order"])
    graph = Self.good()
    graph.node("Teleport", ["y"], ["z"])
    #expect(try Self.rules(graph) == ["operator"])
    graph = Self.good()
    graph.opsets = [("", 13)]
    graph.node("Gelu", ["y"], ["z"])
    #expect(try Self.rules(graph) == ["operator"])
    graph = Self.good()
    graph.node("Relu", ["y", "y"], ["z"])
    #expect(try Self.rules(graph) == ["arity"])
    graph = Self.good()
    graph.node("Relu", ["y"], ["z"], [.int("speed", 3)])
    #expect(try Self.rules(graph) == ["attribute"])
    graph = Self.good()
    graph.node("Concat", ["y", "y"], ["z"])
    #expect(try Self.rules(graph) == ["attribute"])
    graph = Self.good()
    graph.node("Concat", ["y", "y"], ["z"], [.string("axis", "one")])
    #expect(try Self.rules(graph) == ["attribute"])
    graph = Self.good()
    graph.node("Upsample", ["y", "y"], ["z"])
    #expect(try Self.rules(graph) == ["operator"])
    graph = Self.good()
    graph.node("BiasGelu", ["y", "y"], ["z"], domain: "com.example")
    #expect(try Self.rules(graph) == ["opset-import"])
  }

  @Test("Scales must be finite and above zero; those of symmetric 4-bit blocks may be negative")
  func scales() throws {
    for (scale, isGood) in [(0.5, true), (0, false), (-1, false), (.nan, false), (.infinity, false)] {
      var graph = Self.good()
      graph.weight("v", [4, 2], .int8, scales: [0.1, scale], axis: 1)
      #expect(try Self.rules(graph) == (isGood ? [] : ["scale"]), "\(scale)")
    }
    var blocks = Self.good()
    blocks.constant("v_q", [Double](repeating: 1, count: 64), [32, 2], .int4)
    blocks.constant("v_s", [-0.1, 0.1, 0.2, -0.2], [2, 2])
    blocks.node("DequantizeLinear", ["v_q", "v_s"], ["v"], [.int("axis", 0), .int("block_size", 16)])
    #expect(try Self.rules(blocks) == [])
  }

  @Test("Zero points have the tensor's type and are as many as the scales; that of int32 is 0")
  func zeroPoints() throws {
    var graph = Self.good()
    graph.constant("s", [0.1], [])
    graph.constant("z", [3], [], .int8)
    graph.constant("q", [1, 2], [2], .uint8)
    graph.node("DequantizeLinear", ["q", "s", "z"], ["v"])
    #expect(try Self.rules(graph) == ["zero-point"])
    graph = Self.good()
    graph.constant("s", [0.1, 0.2], [2])
    graph.constant("z", [0], [1], .int8)
    graph.constant("q", [1, 2], [2], .int8)
    graph.node("DequantizeLinear", ["q", "s", "z"], ["v"], [.int("axis", 0)])
    #expect(try Self.rules(graph) == ["zero-point"])
    graph = Self.good()
    graph.constant("s", [0.1], [])
    graph.constant("z", [1], [], .int32)
    graph.constant("q", [1, 2], [2], .int32)
    graph.node("DequantizeLinear", ["q", "s", "z"], ["v"])
    #expect(try Self.rules(graph) == ["zero-point"])
  }

  @Test("The axis is inside the tensor, and there is a scale for each channel or block")
  func axes() throws {
    for (axis, scales, isGood) in [(1, 2, true), (-1, 2, true), (0, 2, false), (5, 2, false), (1, 3, false)] {
      var graph = Self.good()
      graph.weight("v", [4, 2], .int8, scales: [Double](repeating: 0.1, count: scales), axis: axis)
      #expect(try Self.rules(graph) == (isGood ? [] : ["axis"]), "axis \(axis), \(scales) scales")
    }
  }

  @Test("16-bit and 4-bit tensors need operator set 21, or the operators of com.microsoft")
  func opset() throws {
    for (domain, version, isGood) in [("", Int64(21), true), ("", 20, false), ("com.microsoft", 20, true)] {
      var graph = Self.good()
      graph.opsets = [("", version), ("com.microsoft", 1)]
      graph.constant("s", [0.1], [])
      graph.constant("z", [0], [], .uint16)
      graph.node("QuantizeLinear", ["y", "s", "z"], ["q"], domain: domain)
      #expect(try Self.rules(graph) == (isGood ? [] : ["opset"]), "\(domain) \(version)")
    }
  }
}
