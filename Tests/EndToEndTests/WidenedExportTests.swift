import Foundation
import TestSupport
import Testing

@Suite("Half-precision exports for an NPU", .serialized)
struct WidenedExportTests {
  private let out: TemporaryFolder
  init() throws { out = try TemporaryFolder() }

  private struct Prepared: Decodable {
    struct Pass: Decodable {
      let name: String
      let changes: Int
      let notes: [String]
    }
    let inputs: [String]
    let outputs: [String]
    let operatorsAfter: [String: Int]
    let passes: [Pass]
  }

  private struct Explained: Decodable {
    struct Model: Decodable {
      struct Place: Decodable { let place: String }
      let places: [Place]
    }
    let models: [Model]
  }

  private func prepare(_ source: String, _ name: String, _ options: [String] = []) throws -> Prepared {
    let result = try WhisperQBinary.run(
      ["prepare", source, "-o", out.path(name), "--json", "--quiet"] + options)
    try #require(result.exitCode == 0, "\(result.stderr)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Prepared.self, from: Data(result.stdoutBytes))
  }

  @Test("The exporter's float16 and bfloat16 encoders become the float graph and compute the same")
  func layouts() throws {
    let float = try prepare(Quantized.layout("optimum/encoder_model.onnx"), "float.onnx")
    #expect(!float.passes.contains { $0.name == "widen-floats" })
    // Measured: 1.7e-3 and 1.8e-3 of the largest value; the bfloat16 model computes in float32 itself.
    let limits = ["fp16": 4e-3, "fp16_io": 4e-3, "bf16": 1e-5]
    let names = limits.keys.sorted()
    var pairs: [(source: String, prepared: String)] = []
    for name in names {
      let source = Quantized.layout("fp16/encoder_model_\(name).onnx")
      let found = try prepare(source, "\(name).onnx")
      #expect(found.inputs == ["input_features:float[1,80,3000]"], "\(name)")
      #expect(found.outputs == float.outputs, "\(name)")
      #expect(found.operatorsAfter == float.operatorsAfter, "\(name)")
      #expect(found.passes.first?.name == "widen-floats" && found.passes.first?.notes.isEmpty == false)
      pairs.append((source, out.path("\(name).onnx")))
    }
    for (name, found) in zip(names, try PreparedComparison.run(pairs)) {
      let worst = try #require(found.worst, "\(name): \(found.error ?? "")")
      #expect(worst <= limits[name] ?? 0, "\(name): \(worst)")
    }
  }

  @Test(
    "What --scheme fp16 wrote is quantized for an NPU whole: no node stays float",
    arguments: ["keep", "fp16"])
  func ownModels(io: String) throws {
    let half = try WhisperQBinary.run(
      ["quantize", Quantized.layout("optimum/encoder_model.onnx"), "-o", out.path("half.onnx"), "--io", io]
        + ["--scheme", "fp16", "--minimum-elements", "0", "--quiet"])
    try #require(half.exitCode == 0, "\(half.stderr)")
    let report = try Static.done(
      out.path("half.onnx"), out.path("npu.onnx"),
      ["--scheme", "w8a16", "--rounding", "nearest", "--calibration", Static.speech + "/pt-m5-01.wav"])
    #expect(report.floatNodes.isEmpty && report.notes.isEmpty, "\(report.floatNodes) \(report.notes)")
    let explained = try WhisperQBinary.run(
      ["validate", out.path("npu.onnx"), "--static", "--explain", "--no-reference", "--json"])
    #expect(explained.exitCode == 0, "\(explained.stderr)")
    let places = try JSONDecoder().decode(Explained.self, from: Data(explained.stdoutBytes)).models
      .flatMap(\.places)
    #expect(places.count > 100 && places.allSatisfy { $0.place == "npu-integers" })
  }

  @Test("A decoder with static caches is built from halves", arguments: ["optimum/decoder_model.onnx"])
  func decoder(layout: String) throws {
    let half = try WhisperQBinary.run(
      ["quantize", Quantized.layout(layout), "-o", out.path("half.onnx"), "--io", "fp16"]
        + ["--scheme", "fp16", "--minimum-elements", "0", "--quiet"])
    try #require(half.exitCode == 0, "\(half.stderr)")
    let options = ["--static-kv", "--max-tokens", "16"]
    let found = try prepare(out.path("half.onnx"), "kv.onnx", options)
    let float = try prepare(Quantized.layout(layout), "float.onnx", options)
    #expect(found.inputs == float.inputs && found.outputs == float.outputs)
    #expect(found.operatorsAfter == float.operatorsAfter)
  }

  @Test("Weights too large for memory keep every number, and nothing but the result is left behind")
  func large() throws {
    // 34 MB of floats: each pattern of 16 bits that is a number, over and over.
    let patterns = (0...UInt16.max).filter { $0 & 0x7C00 != 0x7C00 || $0 & 0x3FF == 0 }
    let rowCount = 135
    let row = patterns.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
    var tensor = [rowCount, patterns.count].flatMap { HandMadeModel.number(1, $0) }
    tensor += HandMadeModel.number(2, 10) + HandMadeModel.text(8, "w")
    tensor += HandMadeModel.bytes(9, [UInt8]((0..<rowCount).map { _ in row }.joined()))
    var model = HandMadeModel()
    model.initializer(message: tensor)
    model.input("x", [rowCount, patterns.count])
    model.node("Cast", ["x"], ["h"], integers: [("to", 10)])
    model.node("Max", ["h", "w"], ["m"])
    model.node("Cast", ["m"], ["y"], integers: [("to", 1)])
    model.output("y", [rowCount, patterns.count])
    try out.write(model.bytes, to: "half.onnx")
    let found = try prepare(out.path("half.onnx"), "float.onnx")
    #expect(found.operatorsAfter == ["Max": 1])
    let wanted = patterns.flatMap { pattern -> [UInt8] in
      let bits = Self.number(pattern).bitPattern
      return (0..<4).map { UInt8(truncatingIfNeeded: bits >> ($0 * 8)) }
    }
    let written = Data(try out.read("float.onnx"))
    // Rows follow each other without a gap.
    var place = try #require(written.range(of: Data(wanted))).lowerBound
    for index in 0..<rowCount {
      #expect(written[place...].starts(with: Data(wanted)), "row \(index)")
      place += wanted.count
    }
    #expect(try out.names() == ["float.onnx", "half.onnx"])
  }

  /// The number that 16 bits are, by the definition of IEEE 754.
  private static func number(_ pattern: UInt16) -> Float {
    let sign: Float = pattern & 0x8000 == 0 ? 1 : -1
    let (exponent, fraction) = (Int(pattern >> 10) & 31, Float(pattern & 1023))
    if exponent == 31 { return sign * .infinity }
    if exponent == 0 { return sign * fraction * 0x1p-24 }
    return sign * (1024 + fraction) * Float(sign: .plus, exponent: exponent - 25, significand: 1)
  }
}
