import Foundation
import TestSupport
import Testing

/// Plans, policies, targets and ranges that someone edited, and options that contradict each other or a plan.
@Suite("Settings of quantize for an NPU")
struct QuantizeStaticSettingsTests {
  private static let small = Quantized.layout("optimum/encoder_model.onnx")
  private static let synthetic = ["--synthetic", "1", "--quiet"]
  private static let plain = ["--scheme", "w8a16", "--rounding", "nearest"] + synthetic
  private let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  /// A document with one value replaced, as a file.
  private func edited(
    _ document: [UInt8], _ path: [any Sendable], _ value: String, to name: String
  ) throws -> String {
    func replaced(_ node: Any, _ rest: ArraySlice<any Sendable>) throws -> Any {
      guard let step = rest.first else { return "@@" }
      if let key = step as? String {
        var object = try #require(node as? [String: Any])
        object[key] = try replaced(object[key] ?? NSNull(), rest.dropFirst())
        return object
      }
      var list = try #require(node as? [Any])
      let index = try #require(step as? Int)
      list[index] = try replaced(list[index], rest.dropFirst())
      return list
    }
    let whole = try replaced(JSONSerialization.jsonObject(with: Data(document)), path[...])
    let data = try JSONSerialization.data(withJSONObject: whole, options: [.sortedKeys])
    let text = String(decoding: data, as: UTF8.self).replacing("\"@@\"", with: value)
    return try folder.write(text.utf8, to: name)
  }

  private func refuse(
    _ options: [String], exitCode: Int32, _ words: String...,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let result = try Static.run(Self.small, folder.path("out.onnx"), options)
    #expect(result.exitCode == exitCode, "\(result.stderr)", sourceLocation: sourceLocation)
    for word in words {
      #expect(
        result.stderr.contains(word), "'\(word)' is not in: \(result.stderr)", sourceLocation: sourceLocation)
    }
    #expect(!FileManager.default.fileExists(atPath: folder.path("out.onnx")), sourceLocation: sourceLocation)
  }

  private func plan() throws -> [UInt8] {
    let made = try WhisperQBinary.run(["quantize", Self.small, "--dry-run", "--json"] + Self.plain)
    try #require(made.exitCode == 0, "\(made.stderr)")
    return made.stdoutBytes
  }

  @Test("Numbers of a plan that nothing can be, and entries that contradict the model or themselves")
  func plans() throws {
    let plan = try plan()
    let cases: [(path: [any Sendable], value: String, words: String)] = [
      (
        ["activations", 3, "parameters", "scale"], "1e300",
        "activations[3].parameters.scale: expected a number that fits"
      ),
      (["activations", 3, "parameters", "scale"], "1e-60", "its scale is 0.0, expected a normal number"),
      (["activations", 3, "parameters", "scale"], "1e999", "this number is too large"),
      (
        ["activations", 3, "parameters", "zero_point"], "1.5",
        "zero_point: expected a whole number, found 1.5"
      ),
      (["activations", 3, "type"], "7", "activations[3].type: expected a string, found a number"),
      (["activations"], "{}", "at activations: expected a list, found an object"),
      (["conversions", 0, "tensor"], "\"other\"", "the plan converts it for operand"),
      (["weights", 0, "block_size"], "32", "blocks go with 'block'"),
      (["weights", 0, "input"], "9", "make a plan for this model"),
      (["version"], "null", "at version: expected a number, found null"),
    ]
    for item in cases {
      let path = try edited(plan, item.path, item.value, to: "edited.json")
      try refuse(Self.synthetic + ["--plan", path], exitCode: 2, "edited.json", item.words)
    }
  }

  @Test("A plan decides types, scales and rounding, so options about them are refused beside it")
  func besidesPlan() throws {
    let path = try folder.write(plan(), to: "plan.json")
    let given = Self.synthetic + ["--plan", path]
    for options in [
      ["--rounding", "nearest"], ["--kv", "s16"], ["--observer", "mse"], ["--equalize", "off"],
      ["--stem-bits", "8"],
    ] { try refuse(given + options, exitCode: 64, "--plan says all", options[0]) }
    for options in [["--exclude", "op:Add"], ["--per-channel"], ["--range", "maximum"]] {
      try refuse(given + options, exitCode: 64, "--plan says all")
    }
    try refuse(Self.synthetic + ["--plan", folder.path("none.json")], exitCode: 4, "none.json")
    let torn = try folder.write(Array("{\"scheme\": ".utf8), to: "torn.json")
    try refuse(Self.synthetic + ["--plan", torn], exitCode: 2, "torn.json: line 1")
  }

  @Test("A plan of w8a8 gives the same bytes as no plan, for it says how the model was equalized")
  func narrowPlan() throws {
    let common = ["--synthetic", "1", "--quiet"]
    for options in [[], ["--equalize", "attention"], ["--gelu-bits", "8"]] {
      let made = ["--scheme", "w8a8", "--rounding", "nearest"] + options + common
      try Static.done(Self.small, folder.path("a.onnx"), made)
      let plan = try WhisperQBinary.run(["quantize", Self.small, "--dry-run", "--json"] + made)
      let path = try folder.write(plan.stdoutBytes, to: "plan.json")
      try Static.done(Self.small, folder.path("b.onnx"), common + ["--plan", path])
      #expect(try folder.read("a.onnx") == folder.read("b.onnx"), "\(options)")
    }
  }

  @Test("Options that contradict each other")
  func contradictions() throws {
    let narrow = ["--scheme", "w8a8"] + Self.synthetic
    try refuse(narrow + ["--wide", "*fc1*", "--narrow", "*fc1*"], exitCode: 64, "both mean the layer", "fc1")
    try refuse(Self.plain + ["--gelu-bits", "8"], exitCode: 64, "--gelu-bits is for w8a8")
    try refuse(
      Self.plain + ["--dry-run", "--keep-prepared", folder.path("kept.onnx")], exitCode: 64,
      "leave out --keep-prepared")
    let policy = try folder.write(
      Array("{\"scheme\": \"w8a16\", \"symmetric\": false}".utf8), to: "policy.json")
    try refuse(
      Self.synthetic + ["--policy", policy], exitCode: 64, "policy.json: 'symmetric' is not for w8a16")
  }

  @Test("Targets with values that no chip has; an empty list of block sizes concerns 4-bit weights alone")
  func targets() throws {
    let printed = try WhisperQBinary.run(["quantize", Self.small, "--print-target"])
    let cases: [(path: [any Sendable], value: String, words: String)] = [
      (["opset"], "1e30", "at opset: expected a whole number"), (["opset"], "20", "expected 21 to 23"),
      (["soc_model"], "-7", "'soc_model' is -7"), (["mask_fill"], "0", "'mask_fill' is 0"),
      (["widest_range"], "0", "'widest_range'"), (["name"], "\"\"", "'name' is empty"),
      (["operators"], "[]", "'operators' is empty"), (["block_sizes"], "[33]", "'block_sizes' has 33"),
      (["gammas"], "{\"zz\": [\"u8\"]}", "'gammas' has 'zz'"), (["products"], "[[\"u8\"]]", "'products'"),
      (["title"], "null", "at title: expected a string, found null"),
    ]
    for item in cases {
      let path = try edited(printed.stdoutBytes, item.path, item.value, to: "target.json")
      try refuse(Self.plain + ["--target", path], exitCode: 2, "target.json", item.words)
    }
    let none = try edited(printed.stdoutBytes, ["block_sizes"], "[]", to: "target.json")
    try Static.done(Self.small, folder.path("w8a16.onnx"), Self.plain + ["--target", none])
    try refuse(["--scheme", "w4a16", "--target", none] + Self.synthetic, exitCode: 64, "takes blocks of")
    // The same file is damaged for everyone.
    let damaged = try edited(printed.stdoutBytes, ["name"], "1", to: "target.json")
    for arguments in [["validate", "w8a16.onnx", "--static"], ["compile", "w8a16.onnx"]] {
      let result = try WhisperQBinary.run(arguments + ["--target", damaged], workingFolder: folder.path)
      #expect(result.exitCode == 2, "\(arguments): \(result.stderr)")
      #expect((result.stdout + result.stderr).contains("at name: expected a string"), "\(result.stderr)")
    }
  }

  @Test("Ranges that no run can have seen")
  func ranges() throws {
    let clip = ["--calibration", Static.clips[0], "--ranges", folder.path("base.json")]
    let common = ["--scheme", "w8a16", "--rounding", "nearest", "--equalize", "off", "--quiet"]
    try Static.done(Self.small, folder.path("a.onnx"), common + clip)
    let base = try folder.read("base.json")
    struct Table: Decodable { let statistics: [String: Empty] }
    struct Empty: Decodable {}
    let names = try JSONDecoder().decode(Table.self, from: Data(base)).statistics.keys
    let name = try #require(names.min())
    let cases: [(key: [String], value: String, words: String)] = [
      (["count"], "0", "count: expected a whole number above 0"), (["runs"], "-1", "runs: expected"),
      (["count"], "1.5", "found 1.5"), (["min"], "1e9", "the smallest number is"),
      (["max"], "1e300", "does not fit float32"), (["max_sum"], "-1e30", "is no sum of"),
      (["histogram", "exponent"], "-1e30", "this is no histogram"),
      (["histogram", "counts"], "\"\"", "it counts no number"),
    ]
    for item in cases {
      let path: [any Sendable] = ["statistics", name] + item.key
      let file = try edited(base, path, item.value, to: "ranges.json")
      try refuse(common + ["--ranges", file], exitCode: 2, "ranges.json", item.words, "remove the file")
    }
  }

  @Test("A refused run leaves the ranges as they are, and other sizes of channels are no silent other model")
  func keptRanges() throws {
    let ranges = ["--ranges", folder.path("r.json")]
    let clips = Static.clips.map { ["--calibration", $0] }
    let common = ["--scheme", "w8a16", "--rounding", "nearest", "--quiet"]
    try Static.done(Self.small, folder.path("one.onnx"), common + clips[0] + ranges)
    let kept = try ["r.json", "r.json.channels"].map { try folder.read($0) }
    let other = ["--scheme", "w8a8", "--rounding", "nearest", "--quiet"] + clips[0] + ranges
    try refuse(other, exitCode: 2, "another model, or to other settings of scheme")
    #expect(try ["r.json", "r.json.channels"].map { try folder.read($0) } == kept)
    try Static.done(Self.small, folder.path("again.onnx"), common + clips[0] + ranges)
    #expect(try folder.read("again.onnx") == folder.read("one.onnx"))
    // A second recording changes how the model is equalized, so the first one's ranges are those of another.
    let added = try Static.done(Self.small, folder.path("both.onnx"), common + clips[0] + clips[1] + ranges)
    #expect(added.notes.contains { $0.contains("the sizes of channels have changed") }, "\(added.notes)")
    try Static.done(Self.small, folder.path("fresh.onnx"), common + clips[0] + clips[1])
    #expect(try folder.read("both.onnx") == folder.read("fresh.onnx"))
    let reused = try Static.done(Self.small, folder.path("reused.onnx"), common + ranges)
    #expect(reused.notes.isEmpty, "\(reused.notes)")
    #expect(try folder.read("reused.onnx") == folder.read("fresh.onnx"))
    try folder.write(kept[1], to: "r.json.channels")
    try refuse(common + ranges, exitCode: 2, "r.json.channels) have changed", "give --calibration")
  }

  @Test("An exclusion that changes nothing says so, one of everything is refused")
  func exclusions() throws {
    try refuse(Self.plain + ["--exclude", "*"], exitCode: 3, "would quantize nothing", "change the patterns")
    let idle = try Static.done(
      Self.small, folder.path("a.onnx"), Self.plain + ["--exclude", "op:Softmax"])
    #expect(idle.floatNodes.isEmpty)
    #expect(idle.notes.contains { $0.contains("'op:Softmax' cannot keep") }, "\(idle.notes)")
    let whole = try Static.done(Self.small, folder.path("b.onnx"), Self.plain)
    #expect(!whole.notes.contains { $0.contains("cannot keep") })
    #expect(try folder.read("a.onnx") == folder.read("b.onnx"))
    let added = try Static.done(Self.small, folder.path("c.onnx"), Self.plain + ["--exclude", "op:Add"])
    #expect(!added.floatNodes.isEmpty && added.floatNodes.allSatisfy { $0["operator"] == "Add" })
  }
}
