public import ArgumentParser
import Console
import ModelStore
import Pipeline

/// `whisperq compile`: a static Q/DQ model in, a context binary for one chip out.
public struct CompileCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "compile",
    abstract: "Compile a static Q/DQ model to a context binary for the NPU of one chip.",
    discussion: """
      Loading a Q/DQ model on an NPU compiles it, which takes seconds to minutes each time; a compiled model loads at \
      once. The result is an ONNX model with one EPContext node and QNN's binary beside it (or inside, with --embed). \
      It is tied to the chip and to the version of QAIRT that made it, and no processor can run it: keep the Q/DQ \
      model beside it. The result is opened again and compared with the source bit by bit, on the NPU or its \
      emulation. Nothing is written unless the NPU takes every node; those it refuses are counted by operator, and with \
      --json named.

      EXAMPLES
        whisperq compile encoder_w8a16.onnx --target snapdragon-x-elite
        whisperq compile encoder_w8a16.onnx --embed --output encoder_ctx.onnx
        whisperq compile decoder_w8a16.onnx --optimization 1 --json

      JSON
        input, output, binary (null with --embed), bytes_before, bytes_after,
        target, soc_model, npu_version, qairt, optimization, nodes, seconds,
        peak_memory_bytes, emulated,
        reload: null with --no-verify, or seconds, equal, sqnr_db (null when
          nothing differs)
        manifest: null, or change, key and manifest of its entry

      EXIT CODE
        0 when the compiled model is written, 1 when it gives other bits than
        its source, 2 when the model is damaged, 3 when it is no static Q/DQ
        model, the NPU does not take it or QNN is missing, 4 when a file
        cannot be read or written, 64 for wrong options.
      """)

  @Argument(
    help: "The model, or its key in the manifest.", completion: .file(extensions: ["onnx"]))
  var model: String

  @Option(
    name: [.short, .long],
    help: ArgumentHelp("The compiled model. (default: the model's name with _ctx)", valueName: "file"),
    completion: .file(extensions: ["onnx"]))
  var output: String?

  @Flag(help: "Put the binary into the model's file, not beside it.")
  var embed = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("How long the compiler thinks: 1, 2, or 3 for the fastest model.", valueName: "level"))
  var optimization = 3

  @Flag(inversion: .prefixedNo, help: "Open the result again and compare it with the source.")
  var verify = true

  @OptionGroup(title: "The chip and the libraries")
  var backends: ChipOptions

  @OptionGroup(title: "Manifest")
  var recording: RecordingOptions

  @Flag(help: "Print JSON instead of text.")
  var json = false

  public init() {}

  public func validate() throws {
    if !(1...3).contains(optimization) { throw ValidationError("--optimization takes 1, 2 or 3.") }
    do throws(PipelineError) { try backends.choice.validated() } catch {
      // A damaged file is no wrong option: the run says it, with its own exit code.
      if error.status == .usage { throw ValidationError(error.message) }
    }
  }

  public func run() throws {
    var request = CompileRequest(model: model)
    request.outputPath = output
    request.manifestPath = recording.manifest
    request.isEmbedded = embed
    request.optimization = optimization
    request.backends = backends.choice
    request.backends.npu = .required
    request.backends.namesRefusedNodes = json
    request.verifies = verify
    request.records = recording.updateManifest
    request.key = recording.manifestKey
    let stream = TerminalStream.standardError
    defer { stream.setStatusLine(nil) }
    let name = Printable.name(model)
    let report = try CompilePipeline.run(request) { stream.setStatusLine("\(name): \($0)") }
    stream.setStatusLine(nil)
    try TerminalStream.standardOutput.write(
      json ? CompileRendering.json(report).text() + "\n" : CompileRendering.text(report))
    if let reload = report.reload, !reload.isBitwiseEqual {
      Notes(verbosity: .normal).error(
        "the compiled model gives other bits than its source (\(Format.decibels(reload.sqnr)))")
      throw ExitCode(ExitStatus.verdict.rawValue)
    }
  }
}

/// What `compile` prints.
enum CompileRendering {
  static func text(_ report: CompileReport) -> String {
    var text = "\(Printable.name(report.outputPath)): compiled for \(report.chip)"
    text += " (soc_model \(report.socModel), v\(report.architecture)), QAIRT \(report.qairtVersion)\n"
    if let binary = report.binaryPath { text += "  binary   \(Printable.name(binary))\n" }
    text +=
      "  size     \(Format.bytes(report.outputByteCount)) (source \(Format.bytes(report.inputByteCount)))\n"
    text += "  nodes    \(report.nodeCount), all on the NPU\(report.isEmulated ? " (emulated)" : "")\n"
    text +=
      "  compiled in \(Format.duration(.seconds(report.seconds))), peak memory \(Format.bytes(report.peakMemoryByteCount))\n"
    if let reload = report.reload {
      text += "  reloaded in \(Format.duration(.seconds(reload.seconds))), "
      text += reload.isBitwiseEqual ? "equal to the source bit by bit\n" : "NOT equal to the source\n"
    }
    text += "  It is tied to this chip and QAIRT; keep \(Printable.name(report.inputPath)) beside it.\n"
    if let entry = report.entry {
      text +=
        "  \(entry.change.rawValue) \(Printable.name(entry.entry.key)) in \(Printable.name(entry.manifestPath))\n"
    }
    return text
  }

  static func json(_ report: CompileReport) -> JSONValue {
    let reload: JSONValue =
      report.reload.map {
        ["seconds": .double($0.seconds), "equal": .bool($0.isBitwiseEqual), "sqnr_db": .double($0.sqnr)]
      } ?? .null
    let manifest: JSONValue =
      report.entry.map {
        [
          "change": .string($0.change.rawValue), "key": .string($0.entry.key),
          "manifest": .string($0.manifestPath),
        ]
      } ?? .null
    return [
      "input": .string(report.inputPath), "output": .string(report.outputPath),
      "binary": .string(ifPresent: report.binaryPath), "bytes_before": .integer(report.inputByteCount),
      "bytes_after": .integer(report.outputByteCount), "target": .string(report.chip),
      "soc_model": .integer(report.socModel), "npu_version": .integer(report.architecture),
      "qairt": .string(report.qairtVersion), "optimization": .integer(report.optimization),
      "nodes": .integer(report.nodeCount), "seconds": .double(report.seconds),
      "peak_memory_bytes": .integer(report.peakMemoryByteCount), "emulated": .bool(report.isEmulated),
      "reload": reload, "manifest": manifest,
    ]
  }
}
