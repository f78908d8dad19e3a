import Foundation
import ONNXFile
import ONNXGraph
import QuantPlan
import TestSupport
import Testing

@Suite("Plans can be printed, edited and read again")
struct PlanTextTests {
  private func layout(_ name: String) throws -> ModelGraph {
    let path = PackageRoot.path("Tests/Resources/layouts/" + name)
    return try ModelGraph.lift(ModelReader.read(path: path), external: ExternalDataFiles(modelPath: path))
  }

  static let files = [
    "optimum/decoder_model_merged.onnx", "torchscript/encoder_model.onnx", "sherpa/small-decoder.onnx",
    "dynamo/decoder_model.onnx", "aihub/HfWhisperEncoder.onnx", "fp16/encoder_model_bf16.onnx",
  ]

  @Test("a plan survives JSON, and is the same each time", arguments: files, Scheme.allCases)
  func roundTrip(file: String, scheme: Scheme) throws {
    var policy = QuantPolicy()
    policy.scheme = scheme
    let plan = Planner.plan(try layout(file), policy: policy)
    #expect(!plan.entries.isEmpty)
    #expect(plan.entries.allSatisfy { !$0.reason.isEmpty })
    let text = try JSONEncoder().encode(plan)
    #expect(try JSONDecoder().decode(QuantPlan.self, from: text) == plan)
    #expect(Planner.plan(try layout(file), policy: policy) == plan)
  }

  private func complaint(_ json: String) -> String {
    do {
      _ = try JSONDecoder().decode(QuantPlan.self, from: Data(json.utf8))
      return ""
    } catch DecodingError.dataCorrupted(let context) {
      return context.debugDescription
    } catch {
      return "\(error)"
    }
  }

  private let entry = """
    {"weight": "w", "role": "matmul", "element_type": "float", "shape": [2, 2], "treatment":
     {"form": "matmul-nbits", "bits": 4, "granularity": "block", "block_size": 32, "symmetric": true,
      "range": "maximum"}}
    """

  @Test("a plan written by hand may leave out what has a default")
  func defaults() throws {
    let text = "{\"version\": 1, \"scheme\": \"weight-int4\", \"entries\": [\(entry)]}"
    let plan = try JSONDecoder().decode(QuantPlan.self, from: Data(text.utf8))
    #expect(plan.format == .contrib && plan.borderTypes == .keep)
    #expect(plan.entries[0].treatment?.summary == "s4 block 32")
    #expect(plan.entries[0].graph == "" && plan.entries[0].consumers.isEmpty && plan.entries[0].twin == nil)
  }

  @Test("unknown keys, versions and words are refused")
  func strictness() {
    func plan(_ head: String, _ entries: String = "") -> String { "{\(head)\"entries\": [\(entries)]}" }
    let scheme = "\"scheme\": \"weight-int4\", "
    #expect(complaint(plan("\"version\": 1, " + scheme, entry)) == "")
    #expect(complaint(plan("\"version\": 2, " + scheme)) == "plan version 2 is unknown, expected 1")
    #expect(complaint(plan(scheme)).contains("version"))
    #expect(
      complaint(plan("\"version\": 1, \"extra\": 0, " + scheme)).hasPrefix(
        "unknown key 'extra'; known are version, scheme"))
    let version = "\"version\": 1, " + scheme
    #expect(
      complaint(plan(version, entry.replacingOccurrences(of: "\"role\"", with: "\"rôle\""))).hasPrefix(
        "unknown key 'rôle'"))
    #expect(
      complaint(plan(version, entry.replacingOccurrences(of: "\"bits\"", with: "\"bit\""))).hasPrefix(
        "unknown key 'bit'"))
    for word in ["matmul-nbits", "block\",", "maximum", "matmul\","] {
      let misspelt = entry.replacingOccurrences(
        of: word,
        with: word.replacingOccurrences(of: "m", with: "n").replacingOccurrences(of: "bl", with: "lb"))
      #expect(complaint(plan(version, misspelt)) != "", "\(word)")
    }
    #expect(complaint(plan("\"version\": 1, \"scheme\": \"int8\", ")) != "")
  }

  @Test("summaries of treatments")
  func summaries() {
    func treatment(
      _ form: WeightForm, _ bits: Int, _ granularity: Granularity, _ size: Int?, _ symmetric: Bool
    ) -> String {
      Treatment(
        form: form, bits: bits, granularity: granularity, blockSize: size, symmetric: symmetric,
        range: .maximum
      )
      .summary
    }
    #expect(treatment(.dynamicMatMul, 8, .channel, nil, true) == "s8 channel")
    #expect(treatment(.dequantize, 8, .tensor, nil, true) == "s8 tensor")
    #expect(treatment(.matMulNBits, 4, .block, 64, false) == "u4 block 64")
    #expect(treatment(.half, 16, .tensor, nil, true) == "fp16")
  }
}
