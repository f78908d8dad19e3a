import Foundation
import TestSupport
import Testing

@Suite("whisperq quantize: spellings and settings")
struct QuantizeSettingsTests {
  private let source = Quantized.layout("optimum/decoder_model.onnx")

  private func bytes(_ options: [String], sourceLocation: SourceLocation = #_sourceLocation) throws -> [UInt8]
  {
    let out = try TemporaryFolder()
    let result = try Quantized.run(source, out.path("out.onnx"), options, sourceLocation: sourceLocation)
    try #require(result.exitCode == 0, "\(result.stderr)", sourceLocation: sourceLocation)
    return try out.read("out.onnx")
  }

  @Test(
    "The guide's spelling means the same, with underscores and with hyphens",
    arguments: [
      ["--input_model", "--output_model", "--quantization_type"],
      ["--input-model", "--output-model", "--quantization-type"], ["--input-model", "-o", "--scheme"],
    ], ["int8", "dynamic-int8", "INT8"])
  func spelling(names: [String], scheme: String) throws {
    let out = try TemporaryFolder()
    let result = try WhisperQBinary.run([
      "quantize", names[0], source, names[1], out.path("out.onnx"), names[2], scheme,
    ])
    #expect(result.exitCode == 0, "\(result.stderr)")
    #expect(try out.read("out.onnx") == bytes([]))
  }

  @Test("Same input, same bytes: a second time, and with any number of threads")
  func deterministic() throws {
    let model = PackageRoot.path("models/whisper_demo_onnx/decoder/whisper_decoder.onnx")
    for options in [[], ["--scheme", "weight-int4"], ["--scheme", "fp16"], ["--external-data", "always"]] {
      let out = try TemporaryFolder()
      var files: [[String: [UInt8]]] = []
      for threads in ["1", "2", "3", "0", "3"] {
        let folder = "\(files.count)"
        let result = try Quantized.run(
          model, out.path(folder + "/out.onnx"), options + ["--threads", threads, "--quiet"])
        #expect(result.exitCode == 0, "\(result.stderr)")
        let names = try FileManager.default.contentsOfDirectory(atPath: out.path(folder))
        try files.append(
          Dictionary(uniqueKeysWithValues: names.map { ($0, try out.read(folder + "/" + $0)) }))
      }
      #expect(files.allSatisfy { $0 == files[0] }, "\(options)")
    }
  }

  @Test("Weights go to a second file always, never, or when one file cannot hold them")
  func externalData() throws {
    let out = try TemporaryFolder()
    let options = ["--minimum-elements", "0"]
    for policy in ["auto", "never", "always"] {
      let result = try Quantized.run(
        source, out.path(policy + "/out.onnx"), options + ["--external-data", policy, "--json"])
      #expect(result.exitCode == 0, "\(result.stderr)")
      let report = try #require(QuantizeDocument(result).models.first)
      let names = try FileManager.default.contentsOfDirectory(atPath: out.path(policy)).sorted()
      #expect(names == (policy == "always" ? ["out.onnx", "out.onnx.data"] : ["out.onnx"]))
      #expect(report.outputData == (policy == "always" ? out.path("always/out.onnx.data") : nil))
      #expect(try report.bytesAfter == names.reduce(0) { $0 + (try out.read(policy + "/" + $1).count) })
    }
    #expect(try out.read("auto/out.onnx") == out.read("never/out.onnx"))
    let found = try ModelComparison.run([
      (source, out.path("always/out.onnx")), (out.path("never/out.onnx"), out.path("always/out.onnx")),
    ])
    #expect(found.allSatisfy { $0.error == nil })
    #expect(found[1].worst == nil, "the same numbers in one file and in two")
    // The model's only reference is the file beside it, so the pair can be moved together.
    try FileManager.default.moveItem(atPath: out.path("always"), toPath: out.path("moved"))
    #expect(try ModelComparison.run(source, out.path("moved/out.onnx")).error == nil)
  }

  @Test("A source's data file is rewritten beside the output, or taken into it")
  func externalSource() throws {
    let out = try TemporaryFolder()
    let external = Quantized.layout("dynamo-external/encoder_model.onnx")
    for policy in ["auto", "always"] {
      let result = try Quantized.run(
        external, out.path(policy + ".onnx"), ["--minimum-elements", "0", "--external-data", policy])
      #expect(result.exitCode == 0, "\(result.stderr)")
      let text = String(decoding: try out.read(policy + ".onnx"), as: UTF8.self)
      #expect(!text.contains("encoder_model.onnx.data"), "the output refers to the source")
    }
    #expect(try out.names() == ["always.onnx", "always.onnx.data", "auto.onnx"])
    let (inspected, code) = try Inspected.one(out.path("always.onnx"))
    #expect(code == 0)
    #expect(inspected.dataFiles.map(\.location) == ["always.onnx.data"])
    #expect(inspected.notes.isEmpty && inspected.problems.isEmpty)
  }

  @Test("Asked to, the output goes on using the data file of the source for what does not change")
  func referenceToSource() throws {
    let out = try TemporaryFolder()
    let folder = Quantized.layout("dynamo-external")
    for name in ["encoder_model.onnx", "encoder_model.onnx.data"] {
      try FileManager.default.copyItem(atPath: folder + "/" + name, toPath: out.path(name))
    }
    let options = ["--minimum-elements", "0", "--external-data"]
    let model = out.path("encoder_model.onnx")
    for policy in ["reference", "never"] {
      let result = try Quantized.run(model, out.path(policy + ".onnx"), options + [policy])
      #expect(result.exitCode == 0, "\(result.stderr)")
      let says = result.stdout.contains("stay in encoder_model.onnx.data")
      #expect(says == (policy == "reference"), "\(result.stdout)")
    }
    #expect(try out.names().count == 4, "no data file of its own")
    #expect(try out.read("reference.onnx").count < out.read("never.onnx").count)
    let found = try ModelComparison.run([(out.path("never.onnx"), out.path("reference.onnx"))])
    #expect(found.allSatisfy { $0.error == nil && $0.worst == nil }, "the same numbers")
    let elsewhere = try Quantized.run(model, out.path("other/out.onnx"), options + ["reference"])
    #expect(elsewhere.exitCode == 64)
    #expect(elsewhere.stderr.contains("needs the output in the folder of"), "\(elsewhere.stderr)")
    #expect(!FileManager.default.fileExists(atPath: out.path("other")))
  }

  @Test(
    "Settings that the scheme cannot use are refused, not ignored",
    arguments: [
      ["--asymmetric"], ["--io", "fp16"], ["--block-size", "64"], ["--scheme", "fp16", "--asymmetric"],
    ])
  func uselessSettings(options: [String]) throws {
    let result = try WhisperQBinary.run(["quantize", source, "--dry-run"] + options)
    #expect(result.exitCode == 64)
    #expect(result.stderr.contains("not for"), "\(result.stderr)")
  }

  @Test("With --json a failure is a document too, for quantize and for inspect")
  func failuresAsJSON() throws {
    let folder = try TemporaryFolder()
    let broken = try folder.write(Array("This is no model at all.\n".utf8), to: "broken.onnx")
    let quantized = try Quantized.run(broken, folder.path("out.onnx"), ["--json"])
    #expect(quantized.exitCode == 2 && quantized.stderr.contains("a text file"))
    #expect(quantized.stdout.contains("\"status\": \"failed\""), "\(quantized.stdout)")
    let inspected = try WhisperQBinary.run(["inspect", "--json", broken])
    #expect(inspected.exitCode == 2)
    #expect(inspected.stdout.contains("\"exit_code\": 2"), "\(inspected.stdout)")
  }

  @Test("Weights in blobs count as many parameters as before")
  func packedParameters() throws {
    let folder = try TemporaryFolder()
    // An encoder has no table that is stored twice, so nothing but scales comes on top: one per block of 32.
    let encoder = Quantized.layout("optimum/encoder_model.onnx")
    let result = try Quantized.run(
      encoder, folder.path("out.onnx"), ["--scheme", "weight-int4", "--minimum-elements", "0"])
    #expect(result.exitCode == 0, "\(result.stderr)")
    let before = try Inspected.one(encoder).model.weights.elements
    let after = try Inspected.one(folder.path("out.onnx")).model.weights.elements
    #expect(after >= before && after < before + before / 8, "\(before) before, \(after) after")
  }

  @Test("A pattern that matches nothing is named in the report")
  func idlePattern() throws {
    let out = try TemporaryFolder()
    let result = try WhisperQBinary.run([
      "quantize", source, "--output", out.path("o.onnx"), "--exclude", "op:Nope", "--exclude", "op:Gather",
    ])
    #expect(result.exitCode == 0)
    #expect(result.stdout.contains("the pattern 'op:Nope' matches no weight"))
    #expect(!result.stdout.contains("'op:Gather' matches no weight"))
  }

  @Test("Patterns include and exclude nodes, weights and operators")
  func patterns() throws {
    func weights(_ options: [String]) throws -> Set<String> {
      let result = try WhisperQBinary.run(["quantize", source, "--dry-run", "--json"] + options)
      #expect(result.exitCode == 0, "\(result.stderr)")
      let plan = try JSONDecoder().decode(Plan.self, from: Data(result.stdoutBytes))
      return Set(plan.entries.filter { $0.treatment != nil }.map(\.weight))
    }
    let all = try weights([])
    let tables = try weights(["--include", "op:Gather"])
    #expect(tables == ["model.decoder.embed_tokens.weight", "model.decoder.embed_positions.weight"])
    // Without the table that serves both, the logits' own copy of it is a weight like the others.
    let withoutGather = try weights(["--exclude", "op:Gather"])
    let linear = try weights(["--no-embeddings"])
    #expect(withoutGather == linear)
    #expect(linear.isSuperset(of: all.subtracting(tables)) && linear.isDisjoint(with: tables))
    #expect(linear.count == 21)
    let first = try weights(["--include", "node:*/layers.0/*"])
    #expect(first.count == 10 && first.isSubset(of: all))
    #expect(try weights(["--include", "node:*/layers.0/*", "--include", "op:Gather"]) == first.union(tables))
    #expect(try weights(["--include", "*", "--exclude", "weight:*"]).isEmpty)
    #expect(try weights(["--exclude", "weight:model.decoder.embed_?????????.weight"]).count == all.count - 1)
    #expect(try weights(["--exclude", "no such thing"]) == all)
  }

  @Test("Options on the command line win over the policy file")
  func policyFile() throws {
    let folder = try TemporaryFolder()
    let policy = try folder.write(
      Array(#"{"scheme": "weight-int4", "block_size": 16, "exclude": ["op:Gather"]}"#.utf8), to: "p.json")
    func report(_ options: [String]) throws -> QuantizeOutcome {
      let result = try Quantized.run(
        source, folder.path("out.onnx"), ["--json", "--policy", policy] + options)
      try #require(result.exitCode == 0, "\(result.stderr)")
      return try #require(QuantizeDocument(result).models.first)
    }
    let plain = try report([])
    #expect(plain.scheme == "weight-int4")
    #expect(plain.quantized?.map(\.form) == ["s4 block 16 (matmul-nbits)"])
    let changed = try report(["--scheme", "weight-int8", "--block-size", "32"])
    #expect(changed.scheme == "weight-int8")
    #expect(changed.quantized?.map(\.form) == ["s8 block 32 (matmul-nbits)"])
  }

  struct BadSettings: Sendable, CustomTestStringConvertible {
    let text: String
    let words: [String]
    var testDescription: String { text }
  }

  static let badPolicies: [BadSettings] = [
    BadSettings(text: #"{"shceme": "fp16"}"#, words: ["unknown key 'shceme'", "scheme"]),
    BadSettings(
      text: #"{"exceptions": [{"match": "*", "bitz": 4}]}"#, words: ["exceptions[0]", "unknown key 'bitz'"]),
    BadSettings(
      text: #"{"scheme": "int5"}"#, words: ["scheme", "'int5' is unknown; choose one of dynamic-int8"]),
    BadSettings(text: #"{"block_size": 33}"#, words: ["33"]),
    BadSettings(text: #"{"block_size": "32"}"#, words: ["block_size"]),
    BadSettings(text: #"{"exceptions": [{"match": "*", "bits": 5}]}"#, words: ["5 bits"]),
    BadSettings(text: #"{"minimum_elements": -1}"#, words: ["minimum_elements"]),
    BadSettings(text: #"[1, 2]"#, words: ["policy"]),
    BadSettings(text: #"{"scheme": "#, words: ["policy"]),
    BadSettings(text: "", words: ["policy"]),
  ]

  @Test("A policy that cannot be used is bad input, and what is wrong is named", arguments: badPolicies)
  func badPolicy(_ example: BadSettings) throws {
    let folder = try TemporaryFolder()
    let policy = try folder.write(Array(example.text.utf8), to: "policy.json")
    let result = try Quantized.run(source, folder.path("out.onnx"), ["--policy", policy])
    expectFailure(result, exitCode: 2, policy)
    for word in example.words { #expect(result.stderr.contains(word), "\(result.stderr)") }
    #expect(try folder.names() == ["policy.json"])
  }

  @Test("A policy that is not there is an input/output error")
  func missingPolicy() throws {
    let folder = try TemporaryFolder()
    let result = try Quantized.run(source, folder.path("out.onnx"), ["--policy", folder.path("none.json")])
    expectFailure(result, exitCode: 4, "none.json")
  }

  @Test(
    "Wrong usage is exit code 64 and changes nothing",
    arguments: [
      ["quantize"], ["quantize", "MODEL"], ["quantize", "MODEL", "--output"],
      ["quantize", "MODEL", "-o", "OUT", "--nope"],
      ["quantize", "MODEL", "--input-model", "MODEL", "-o", "OUT"],
      ["quantize", "MODEL", "-o", "OUT", "--scheme", "int9"],
      ["quantize", "MODEL", "-o", "OUT", "--quiet", "--verbose"],
      ["quantize", "MODEL", "-o", "OUT", "--threads=-1"],
      ["quantize", "MODEL", "-o", "OUT", "--threads", "two"],
      ["quantize", "MODEL", "-o", "OUT", "--external-data", "no"], ["quantize", "MODEL", "-o", "-"],
      ["quantize", "MODEL", "-o", "OUT", "--block-size", "32"],
      ["quantize", "MODEL", "-o", "OUT", "--scheme", "weight-int8", "--block-size", "48"],
      ["quantize", "MODEL", "-o", "OUT", "--per-channel", "--per-tensor"],
      ["quantize", "MODEL", "-o", "OUT", "--scheme", "weight-int4", "--per-channel", "--block-size", "32"],
      ["quantize", "MODEL", "-o", "OUT", "--range", "median"],
      ["quantize", "MODEL", "-o", "OUT", "--format", "x"],
      ["quantize", "MODEL", "-o", "OUT", "--io", "fp8"],
      ["quantize", "MODEL", "-o", "OUT", "--conv", "maybe"],
      ["quantize", "MODEL", "-o", "OUT", "--minimum-elements=-1"],
      ["quantize", "MODEL", "-o", "OUT", "--debug-dump", "soup"], ["quantise", "MODEL", "-o", "OUT"],
      ["inspect"],
      ["inspect", "MODEL", "--nope"], ["--generate-completion-script", "tcsh"],
    ])
  func usage(_ words: [String]) throws {
    let folder = try TemporaryFolder()
    let arguments = words.map { $0 == "MODEL" ? source : $0 == "OUT" ? folder.path("out.onnx") : $0 }
    let result = try WhisperQBinary.run(arguments)
    #expect(result.exitCode == 64, "\(result.stdout) \(result.stderr)")
    #expect(result.stdout.isEmpty)
    #expect(result.stderr.lowercased().hasPrefix("error: "))
    #expect(try folder.names() == [])
  }

  @Test("A great number of threads is no reason to take much memory")
  func manyThreads() throws {
    let folder = try TemporaryFolder()
    let result = try Quantized.run(source, folder.path("out.onnx"), ["--threads", "1000000", "--quiet"])
    #expect(result.exitCode == 0, "\(result.stderr)")
    #expect(try folder.read("out.onnx") == bytes([]))
    if let peak = result.peakByteCount { #expect(peak < 200 << 20) }
  }
}

/// A plan as `--dry-run --json` prints it, as far as tests look into it.
struct Plan: Decodable {
  struct Entry: Decodable {
    struct Treatment: Decodable { let form: String }
    let weight: String
    let treatment: Treatment?
    let reason: String
  }
  let version: Int
  let scheme: String
  let entries: [Entry]
}
