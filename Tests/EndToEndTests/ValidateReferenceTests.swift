import Foundation
import TestSupport
import Testing

/// What a static model is compared with, and what stands in for speech.
@Suite("whisperq validate: references of static models, and made-up inputs")
struct ValidateReferenceTests {
  private static let export = Quantized.layout("optimum/decoder_model.onnx")
  private static let quick = ["--ep", "embedded", "--runs", "1"]
  private static let remedy = "whisperq prepare FOLDER"
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test("A decoder with static caches is compared with its like; an export is refused with the way to one")
  func staticDecoder() throws {
    let path = folder.path("npu/decoder_w8a16.onnx")
    let made = try WhisperQBinary.run([
      "prepare", Self.export, "--output", path, "--static-kv", "--max-tokens", "16", "--quiet",
    ])
    try #require(made.exitCode == 0, "\(made.stderr)")
    let like = try Validated.run([path, "--reference", path, "--min-sqnr", "90"] + Self.quick)
    #expect(like.models[0].run?.results.contains { $0.difference?.equal == true } == true)

    let named = try Validated.run([path, "--reference", Self.export] + Self.quick, exitCode: 64)
    #expect(named.models[0].run == nil && named.models[0].objections.count == 1)
    #expect(named.models[0].objections[0].message.contains(Self.remedy), "\(named.models[0].objections)")

    // A folder without a model of this name.
    for name in ["a.onnx", "b.onnx"] { try folder.write(Quantized.small().bytes, to: "float/" + name) }
    let missing = try Validated.run([path, "--reference", folder.path("float")] + Self.quick, exitCode: 64)
    #expect(missing.models[0].objections[0].message.contains("no reference for"))
    #expect(missing.models[0].objections[0].message.contains(Self.remedy), "\(missing.models[0].objections)")

    // An export that was only found is left out, unless a limit asks for a comparison.
    try folder.write(Data(contentsOf: URL(filePath: Self.export)), to: "npu/decoder.onnx")
    let found = try Validated.run([path] + Self.quick)
    #expect(found.models[0].run?.reference == nil)
    #expect(found.models[0].notes.contains { $0.hasPrefix("not compared: ") && $0.contains(Self.remedy) })
    let limited = try Validated.run([path, "--min-sqnr", "10"] + Self.quick, exitCode: 64)
    #expect(limited.models[0].objections[0].message.contains(Self.remedy))
  }

  @Test("The report says which inputs are made up, and of which seed")
  func madeUp() throws {
    var model = HandMadeModel()
    model.input("x", [2, 2])
    model.node("Relu", ["x"], ["y"])
    model.output("y", [2, 2])
    let path = try folder.write(model.bytes, to: "relu.onnx")
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2), }"
    let array = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8)
    let file = try folder.write(array + [1, 2, 3, 4], to: "x.npy")
    let words = [path, "--reference", path] + Self.quick

    let made = try Validated.run(words + ["--seed", "7"])
    #expect(made.models[0].run?.madeUp?.seed == 7 && made.models[0].run?.madeUp?.inputs == ["x"])
    for input in [file, "x=" + file] {
      let given = try Validated.run(words + ["--input", input])
      #expect(given.models[0].run != nil && given.models[0].run?.madeUp == nil)
    }
    let text = try WhisperQBinary.run(["validate"] + words)
    #expect(text.stdout.contains("inputs: made up (seed 1); real speech says more: --input FILE.npz"))
    let alone = try WhisperQBinary.run(["validate", path, "--no-reference"] + Self.quick)
    #expect(alone.stdout.contains("inputs: made up (seed 1)\n"), "\(alone.stdout)")
    let speech = try WhisperQBinary.run(["validate"] + words + ["--input", file])
    #expect(speech.exitCode == 0 && !speech.stdout.contains("made up"), "\(speech.stdout)")
  }
}
