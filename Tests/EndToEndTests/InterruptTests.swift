import Foundation
import TestSupport
import Testing

/// Serialized, because these tests need the machine's attention for their timing.
@Suite("Interrupted runs", .serialized)
struct InterruptTests {
  private static let weightCount = 12
  private static let rows = 4096
  private static let columns = 2560

  /// A model of 503 MB, most of it a hole in its data file, so that it costs no disk.
  private static func large() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let byteCount = rows * columns * 4
    var model = HandMadeModel()
    model.input("x", [1, rows])
    for index in 0..<weightCount {
      model.initializer(
        "w\(index)", type: 1, [rows, columns], byteCount: 0,
        external: ("weights.bin", String(index * byteCount), String(byteCount)))
      model.node("MatMul", ["x", "w\(index)"], ["y\(index)"])
      model.output("y\(index)", [1, columns])
    }
    try folder.write(model.bytes, to: "model.onnx")
    let data = try folder.write([], to: "weights.bin")
    try resize(data, weightCount * byteCount)
    return folder
  }

  private static func resize(_ path: String, _ byteCount: Int) throws {
    let handle = try FileHandle(forWritingTo: URL(filePath: path))
    try handle.truncate(atOffset: UInt64(byteCount))
    try handle.close()
  }

  @Test(
    "A signal at any time leaves the old result or the whole new one, and nothing else",
    arguments: [SIGINT, SIGTERM], [["--external-data", "never"], ["--external-data", "always"]])
  func signals(number: Int32, options: [String]) throws {
    let folder = try Self.large()
    let input = folder.path("model.onnx")
    let out = try TemporaryFolder()
    let output = out.path("out.onnx")
    // The first run finds nothing in memory; its time says little about that of the others.
    _ = try Quantized.run(input, output, options)
    let whole = try Quantized.run(input, output, options)
    try #require(whole.exitCode == 0, "\(whole.stderr)")
    let names = try out.names()
    let sizes = try names.map { try out.byteCount($0) }
    var random = SplitMix64.forThisRun()
    var interrupted = 0
    // A busy machine makes one run longer than another.
    var elapsed = whole.elapsed
    for round in 0..<6 {
      for name in try out.names() { try FileManager.default.removeItem(atPath: out.path(name)) }
      if options.last == "never" { try out.write([7], to: "out.onnx") }
      let share = Double.random(in: 0.05...0.95, using: &random)
      let result = try WhisperQBinary.run(
        ["quantize", input, "--output", output] + options,
        signal: SpawnSignal(number, after: elapsed * share))
      let label: Comment = "seed \(random.seed), round \(round), \(share) of the time: \(result.end)"
      switch result.end {
      case .signaled(let ending):
        interrupted += 1
        #expect(ending == number, label)
        #expect(result.stdout.isEmpty, label)
        if try out.names() == names, try names.map({ try out.byteCount($0) }) == sizes { continue }
        // Not yet in place: the folder is as it was.
        #expect(try out.names() == (options.last == "never" ? ["out.onnx"] : []), label)
        if options.last == "never" { #expect(try out.read("out.onnx") == [7], label) }
      case .exited(let code):
        elapsed = min(elapsed, result.elapsed)
        #expect(code == 0, label)
        #expect(try out.names() == names, label)
        #expect(try names.map { try out.byteCount($0) } == sizes, label)
      case .timedOut:
        Issue.record(label)
      }
    }
    #expect(interrupted > 0, "no signal met a run that was still at work")
  }

  @Test("A signal at any time leaves both models of a pair or neither")
  func pair() throws {
    let scratch = try TemporaryFolder()
    let whole = try WhisperQBinary.run(["prepare", DemoSpeech.model, "--output", scratch.path("whole")])
    try #require(whole.exitCode == 0, "\(whole.stderr)")
    var random = SplitMix64.forThisRun()
    var interrupted = 0
    var elapsed = whole.elapsed
    for round in 0..<10 {
      let output = scratch.path("\(round)")
      let share = Double.random(in: 0.3...0.95, using: &random)
      let result = try WhisperQBinary.run(
        ["prepare", DemoSpeech.model, "--output", output],
        signal: SpawnSignal(SIGTERM, after: elapsed * share))
      if case .signaled = result.end { interrupted += 1 } else { elapsed = min(elapsed, result.elapsed) }
      let there = ["encoder/whisper_encoder.onnx", "decoder/whisper_decoder.onnx"].map {
        FileManager.default.fileExists(atPath: "\(output)/\($0)")
      }
      #expect(
        there[0] == there[1], "seed \(random.seed), round \(round), \(share) of the time: \(result.end)")
    }
    #expect(interrupted > 0, "no signal met a run that was still at work")
  }

  /// A library that never comes to an end of opening; cancels the test when there is no compiler.
  private static func endlessLibrary(in folder: TemporaryFolder) throws -> String {
    let source = """
      #include <stdio.h>
      #include <stdlib.h>
      #include <unistd.h>
      __attribute__((constructor)) static void wait_for_ever(void) {
        system("for d in .*.onnx.*; do echo half > $d/half.bin; done");
        fputs("waiting\\n", stderr);
        for (;;) sleep(1);
      }
      """
    try folder.write(source.utf8, to: "library.c")
    let path = folder.path("libonnxruntime.so")
    for compiler in ["/usr/bin/cc", "/usr/bin/clang", "/usr/bin/gcc"]
    where FileManager.default.isExecutableFile(atPath: compiler) {
      let result = try Spawn.run(compiler, ["-shared", "-fPIC", "-o", path, folder.path("library.c")])
      try #require(result.exitCode == 0, "\(result.stderr)")
      return path
    }
    try Test.cancel("needs a C compiler in /usr/bin")
  }

  @Test("A signal while a model is compiled leaves no staging folder behind; only a kill does")
  func compiling() throws {
    let tools = try TemporaryFolder()
    let library = try Self.endlessLibrary(in: tools)
    let out = try TemporaryFolder()
    var model = HandMadeModel()
    model.input("x", [4, 64])
    model.initializer("s", [], floats: [0.1])
    model.initializer("z", type: 2, [], byteCount: 1)
    model.node("QuantizeLinear", ["x", "s", "z"], ["q"])
    model.node("DequantizeLinear", ["q", "s", "z"], ["d"])
    model.node("Relu", ["d"], ["y"])
    model.output("y", [4, 64])
    try out.write(model.bytes, to: "model.onnx")
    for number in [SIGINT, SIGTERM, SIGHUP, SIGKILL] {
      let result = try WhisperQBinary.run(
        [
          "compile", "model.onnx", "--output", "out.onnx", "--ort-library", library, "--qnn-library", library,
        ],
        workingFolder: out.path, timeLimit: .seconds(60), signal: SpawnSignal(number, after: .seconds(2)))
      #expect(result.end == .signaled(number), "\(result.stderr)")
      #expect(result.stderr.contains("waiting"), "\(result.stderr)")
      let left = try out.names().filter { $0 != "model.onnx" }
      // The kill shows that there is something to leave behind.
      #expect(left.count == (number == SIGKILL ? 1 : 0), "\(number): \(left)")
      #expect(left.allSatisfy { $0.hasPrefix(".out.onnx.") })
    }
  }

  @Test("A signal that the caller ignores is ignored")
  func ignoredSignal() throws {
    let folder = try Self.large()
    let out = try TemporaryFolder()
    let result = try Spawn.run(
      "/bin/sh",
      [
        "-c", "trap '' HUP; exec \"$@\"", "sh", WhisperQBinary.path(), "quantize", folder.path("model.onnx"),
        "--output", out.path("out.onnx"),
      ], signal: SpawnSignal(SIGHUP, after: .milliseconds(120)))
    #expect(result.exitCode == 0, "\(result.end)")
    #expect(try out.names() == ["out.onnx"])
  }

  @Test("An input that shrinks while it is read ends the run with a sentence")
  func shrinking() throws {
    var random = SplitMix64.forThisRun()
    var met = 0
    // Mostly the first few rounds do; a loaded machine may take more.
    for round in 0..<60 where met == 0 {
      let folder = try Self.large()
      let out = try TemporaryFolder()
      let data = folder.path("weights.bin")
      let delay = UInt32.random(in: 20_000...250_000, using: &random)
      Thread.detachNewThread {
        usleep(delay)
        try? Self.resize(data, 4096)
      }
      let result = try Quantized.run(folder.path("model.onnx"), out.path("out.onnx"), ["--quiet"])
      let label: Comment = "seed \(random.seed), round \(round): \(result.end) \(result.stderr)"
      switch result.exitCode {
      case 0: #expect(try out.names() == ["out.onnx"], label)
      case 2:
        // It shrank before it was opened.
        #expect(result.stderr.contains("truncated"), label)
        #expect(try out.names() == [], label)
      default:
        met += 1
        expectFailure(result, exitCode: 4, "became shorter while it was being read")
        #expect(try out.names() == [], label)
      }
      // The thread must not outlive the folder.
      usleep(delay)
    }
    #expect(met > 0, "no run was met at work, seed \(random.seed)")
  }
}

extension TemporaryFolder {
  fileprivate func byteCount(_ name: String) throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: path(name))
    return (attributes[.size] as? NSNumber)?.intValue ?? -1
  }
}
