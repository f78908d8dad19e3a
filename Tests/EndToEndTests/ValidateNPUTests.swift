import Foundation
import TestSupport
import Testing

extension EmulatedNPU {
  @Suite("whisperq validate for the NPU")
  struct ValidateNPUTests {
    private struct Document: Decodable {
      struct Model: Decodable {
        struct Processor: Decodable {
          struct Output: Decodable {
            let name: String
            let agreementDb: Double?
            let npuDb: Double?
            let processorDb: Double?
            let differs: Bool
          }
          struct Engine: Decodable { let provider: String }
          let engine: Engine
          let outputs: [Output]
        }
        let findings: [Validated.Model.Finding]
        let processor: Processor?
      }
      let models: [Model]
    }

    private static func validate(_ arguments: [String]) throws -> Document.Model {
      let result = try WhisperQBinary.run(
        ["validate", "--json", "--require-npu"] + arguments + FetchedRuntime.options(needsQNN: true),
        timeLimit: .seconds(600))
      #expect(result.exitCode == 0, "\(result.stderr)\(result.stdout)")
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      return try #require(try decoder.decode(Document.self, from: Data(result.stdoutBytes)).models.first)
    }

    @Test("A static model on the NPU is held against the processor and the original")
    func encoder() throws {
      let folder = try TemporaryFolder()
      let page = folder.path("report.html")
      let found = try Self.validate([
        try StaticModel.path(), "--reference", Quantized.layout("optimum/encoder_model.onnx"), "--report",
        page,
      ])
      let processor = try #require(found.processor)
      #expect(processor.engine.provider == "cpu" && processor.outputs.count == 1)
      let output = try #require(processor.outputs.first)
      #expect(output.name == "last_hidden_state")
      let agreement = try #require(output.agreementDb)
      let npu = try #require(output.npuDb)
      let reference = try #require(output.processorDb)
      #expect(agreement > 20 && agreement < 90 && npu > 20 && reference > 20)
      #expect(output.differs == (agreement < 40 || reference - npu > 3))
      #expect(found.findings.contains { $0.rule == "npu-differs" } == output.differs)
      #expect(try String(contentsOfFile: page, encoding: .utf8).contains("NPU and processor"))
    }

    /// Eight rows of 64 numbers, times themselves transposed; both operands in the given types.
    private static func product(_ first: Int, _ second: Int, zero: [UInt8]) -> HandMadeModel {
      var model = HandMadeModel()
      model.input("x", [64, 64])
      func pair(_ name: String, _ type: Int, scale: Float) {
        model.initializer(name + "_s", [], floats: [scale])
        let point = type == 2 ? [128] : zero
        model.initializer(
          message: HandMadeModel.number(2, type) + HandMadeModel.text(8, name + "_z")
            + HandMadeModel.bytes(9, point))
      }
      pair("a", first, scale: 16.0 / 65_536)
      pair("b", second, scale: second == 2 ? 16.0 / 256 : 16.0 / 65_536)
      pair("y", first, scale: 512.0 / 65_536)
      for (source, name) in [("x", "a"), ("x", "b")] {
        model.node("QuantizeLinear", [source, name + "_s", name + "_z"], [name + "_q"])
        model.node("DequantizeLinear", [name + "_q", name + "_s", name + "_z"], [name])
      }
      model.node("MatMul", ["a", "b"], ["product"])
      model.node("QuantizeLinear", ["product", "y_s", "y_z"], ["y_q"])
      model.node("DequantizeLinear", ["y_q", "y_s", "y_z"], ["y"])
      model.output("y", [64, 64])
      return model
    }

    /// A model of operator set 21, which has Q/DQ of 16 bits.
    private static func file(_ model: HandMadeModel) -> [UInt8] {
      HandMadeModel.number(1, 10) + HandMadeModel.bytes(7, model.graph)
        + HandMadeModel.bytes(8, HandMadeModel.number(2, 21))
    }

    @Test("The product of two 16-bit activations is named where the NPU is worse than the processor")
    func trap() throws {
      let folder = try TemporaryFolder()
      var float = HandMadeModel()
      float.input("x", [64, 64])
      float.node("MatMul", ["x", "x"], ["y"])
      float.output("y", [64, 64])
      try folder.write(Self.file(float), to: "float.onnx")
      let wide = Self.product(4, 4, zero: [0, 128])
      try folder.write(Self.file(wide), to: "wide.onnx")
      let found = try Self.validate([folder.path("wide.onnx"), "--reference", folder.path("float.onnx")])
      let finding = try #require(found.findings.first { $0.rule == "npu-differs" })
      #expect(finding.severity == "warning" && finding.message.contains("u16-product"), "\(finding.message)")
      #expect(finding.remedy?.contains("u8") == true)
      let output = try #require(found.processor?.outputs.first)
      let npu = try #require(output.npuDb)
      let processor = try #require(output.processorDb)
      #expect(processor - npu > 10, "\(processor) \(npu)")
    }

    @Test("A model that runs on the processor only is not run twice")
    func processorOnly() throws {
      let model = try StaticModel.path()
      let found = try Validated.run(
        [model, "--ep", "cpu", "--no-reference", "--runs", "1"] + FetchedRuntime.options())
      #expect(found.models[0].run?.engine.provider == "cpu")
      #expect(!found.models[0].findings.contains { $0.rule == "npu-differs" })
    }
  }
}
