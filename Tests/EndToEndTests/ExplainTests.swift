import Foundation
import TestSupport
import Testing

extension EmulatedNPU {
  @Suite("whisperq validate --explain")
  struct ExplainTests {
    private struct Document: Decodable {
      struct Place: Decodable {
        let node: String
        let `operator`: String
        let place: String
        let rule: String
        let reason: String
        let change: String?

        var isPair: Bool {
          `operator`.hasSuffix("QuantizeLinear") || `operator`.hasSuffix("DequantizeLinear")
        }
      }
      struct Model: Decodable {
        struct Run: Decodable {
          struct Engine: Decodable {
            struct Share: Decodable {
              let provider: String
              let nodes: Int
            }
            struct Leftover: Decodable { let `operator`: String }
            let shares: [Share]
            let leftovers: [Leftover]
          }
          let engine: Engine
        }
        let places: [Place]
        let run: Run?
      }
      let models: [Model]
    }

    private static func explain(_ arguments: [String]) throws -> Document.Model {
      let result = try WhisperQBinary.run(["validate", "--json", "--explain", "--no-reference"] + arguments)
      #expect(result.exitCode == 0, "\(result.stderr)\(result.stdout)")
      return try #require(
        try JSONDecoder().decode(Document.self, from: Data(result.stdoutBytes)).models.first)
    }

    @Test("Every node of a model that whisperq made runs in integers, and nothing has to be moved")
    func whole() throws {
      let places = try Self.explain([try StaticModel.path(), "--static"]).places
      #expect(places.count > 150)
      #expect(places.allSatisfy { $0.place == "npu-integers" && $0.change == nil })
    }

    @Test("Nodes are told in groups, the exceptions by name and with the change that moves them")
    func text() throws {
      let model = Quantized.layout("optimum/encoder_model.onnx")
      let arguments = ["validate", model, "--static", "--explain", "--no-reference"]
      let bound = arguments + ["--dim", "batch_size=1"]
      let brief = try WhisperQBinary.run(bound)
      #expect(brief.stdout.contains("to move it: quantize operands and result"))
      #expect(brief.stdout.contains("NPU in fp16, float: ") && !brief.stdout.contains("processor, "))
      #expect(brief.stdout.contains("more; --verbose lists them"))
      let full = try WhisperQBinary.run(bound + ["--verbose"])
      #expect(full.stdout.count > 4 * brief.stdout.count)
      #expect(!full.stdout.contains("more; --verbose lists them"))
    }

    @Test("What is predicted is what the emulation does")
    func placement() throws {
      let runtime = try FetchedRuntime.options(needsQNN: true)
      let folder = try TemporaryFolder()
      var mixed = HandMadeModel()
      mixed.input("x", [4, 64])
      mixed.node("Relu", ["x"], ["a"])
      mixed.node("Erf", ["a"], ["b"])
      mixed.node("Tanh", ["b"], ["c"])
      mixed.output("c", [4, 64])
      try folder.write(mixed.bytes, to: "mixed.onnx")
      for (model, leftCount) in [
        (Quantized.layout("aihub/HfWhisperDecoder.onnx"), 0), (try StaticModel.path(), 0),
        (folder.path("mixed.onnx"), 1),
      ] {
        let found = try Self.explain([model, "--ep", "qnn,cpu", "--runs", "1"] + runtime)
        let engine = try #require(found.run?.engine, "\(model)")
        let left = engine.leftovers.map(\.operator).sorted()
        let predicted = found.places.filter { $0.place == "processor" }.map(\.operator).sorted()
        #expect(left == predicted && left.count == leftCount, "\(model): \(left) \(predicted)")
      }
    }
  }
}
