public import ArgumentParser
import Console
import ModelStore
import Pipeline

/// `whisperq download-layout`: a model from wherever it is to where it belongs.
public struct DownloadLayoutCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "download-layout",
    abstract: "Fetch a Whisper model, check that its parts fit, and put its files where they belong.",
    discussion: """
      The result is always the same tree:
        models/NAME_onnx/encoder/whisper_encoder.onnx (and .bin, its weights)
        models/NAME_onnx/decoder/whisper_decoder.onnx (and .bin; further forms
                         of the decoder beside it)
        models/NAME_onnx/tokenizer.json, config.json, ..., README.md
        models/NAME_quantized/       where quantized models go
        models/manifest.json         with NAME_encoder and NAME_decoder

      SOURCES (several are put together: encoder here, decoder there)
        model.zip                    a ZIP file
        some/folder, encoder.onnx    a folder, or a model file
        https://host/model.zip       a ZIP file or a single file on a server
        hf:OWNER/REPO[@REVISION][/SUBFOLDER]
                                     a Hugging Face repository; HF_TOKEN is
                                     used for closed ones

      Qualcomm's models need a login: open https://aihub.qualcomm.com/models (or the page of the AI Engine \
      Direct SDK), choose a Whisper model, sign in, download the ZIP file with ONNX as runtime, and give its path \
      here.

      Parts are recognised by what is in the models, not by their names. Of several variants (_fp16, _int8, \
      ...) the full-precision one is taken unless --variant says otherwise. Nothing is put in place before \
      everything is there and fits together. A run that was interrupted goes on where it stopped; a run that is \
      repeated does only what is missing.

      EXAMPLES
        whisperq download-layout whisper-large-v3-onnx.zip
        whisperq download-layout hf:onnx-community/whisper-tiny --dry-run
        whisperq download-layout hf:onnx-community/whisper-small --variant fp16
        whisperq download-layout my_export hf:openai/whisper-tiny --name mine
        whisperq download-layout https://host/whisper.zip --sha256 DIGEST

      JSON
        name, folder, dry_run, files (path, action: kept, placed, replaced or
        planned; method, bytes, sha256, part, source, origin), left (path, reason),
        warnings, notes, manifest (key, change), fetch_bytes

      EXIT CODE
        0 done, 2 when files are damaged or do not fit together, 4 when
        something cannot be fetched, read or written, 64 for wrong usage, and
        when a different file is there already and --force is missing.
      """)

  @Argument(
    help: ArgumentHelp(
      "Where the files are: ZIP file, folder, address, or hf:OWNER/REPO.", valueName: "source"),
    completion: .file())
  var sources: [String]

  @Option(
    help: ArgumentHelp("Where the layout goes.", valueName: "folder"), completion: .directory)
  var modelsDir = "models"

  @Option(help: "The name of the layout. (default: from the size of the model, such as whisper_large)")
  var name: String?

  @Option(help: "The precision to take, such as fp16, int8, quantized, q4. (default: the full one)")
  var variant: String?

  @Flag(help: "Copy files of this machine, even where they could share their bytes.")
  var copy = false

  @Flag(help: "Move files of this machine; they are gone from where they were.")
  var move = false

  @Flag(
    help: "Make hard links to files of this machine; then other commands need --follow-links for this model.")
  var link = false

  @Flag(help: "A missing tokenizer, config, encoder or decoder is an error, not a warning.")
  var strict = false

  @Flag(help: "Replace files that are there and different.")
  var force = false

  @Flag(help: "Leave the manifest alone.")
  var noManifest = false

  @Flag(help: "Show what would go where; nothing is fetched but lists of files.")
  var dryRun = false

  @Option(
    name: .customLong("sha256"),
    help: ArgumentHelp(
      "The SHA-256 of a source that is one file; may be given once for each, in their order.",
      valueName: "digest"))
  var digests: [String] = []

  @Option(
    help: ArgumentHelp("The server of hf: sources. (default: https://huggingface.co)", valueName: "address"))
  var endpoint: String?

  @Option(help: ArgumentHelp("How large an unpacked archive may be, in millions of bytes.", valueName: "mb"))
  var maxSize: Int?

  @Flag(help: "Accept links in folders of this machine; for folders that you trust.")
  var followLinks = false

  @Flag(help: "Print JSON instead of text.")
  var json = false

  @Flag(name: .shortAndLong, help: "Say nothing but errors.")
  var quiet = false

  public init() {}

  public func validate() throws {
    if [copy, move, link].filter({ $0 }).count > 1 {
      throw ValidationError("--copy, --move and --link exclude each other.")
    }
    if let maxSize, !(1...1_000_000_000).contains(maxSize) {
      throw ValidationError("--max-size takes millions of bytes, 1 or more.")
    }
    if let digest = digests.first(where: { !FileDigest.isDigest($0) }) {
      throw ValidationError("--sha256 takes 64 hexadecimal digits, found '\(digest)'.")
    }
    if modelsDir.isEmpty { throw ValidationError("--models-dir takes a folder.") }
  }

  public func run() throws {
    let notes = Notes(verbosity: quiet ? .quiet : .normal)
    let slot = ProgressSlot()
    let observer = StoreObserver(
      began: { label, byteCount in slot.begin(Printable.name(label), byteCount, notes) },
      advanced: { slot.advance(by: $0) }, ended: { slot.finish() },
      noted: { notes.note(Printable.name($0)) })
    let report: LayoutReport
    do {
      report = try LayoutPipeline.run(request(), observer: observer)
    } catch {
      slot.abandon()
      // Each of several findings has a line of its own.
      guard let failure = error as? PipelineError, failure.message.contains("\n") else { throw error }
      for line in failure.message.split(separator: "\n") { notes.error(Printable.name(String(line))) }
      throw ExitCode(failure.status.rawValue)
    }
    for warning in report.warnings { notes.warning(Printable.name(warning)) }
    for note in report.notes { notes.note(Printable.name(note)) }
    let output = TerminalStream.standardOutput
    let rendering = DownloadLayoutRendering(report, isDryRun: dryRun, width: output.width)
    try output.write(json ? rendering.json.text() + "\n" : rendering.text)
  }

  private func request() throws -> LayoutRequest {
    var list: [LayoutSource] = []
    for word in sources {
      do { list.append(try LayoutSource(word)) } catch { throw PipelineError(error) }
    }
    var request = LayoutRequest(sources: list)
    request.modelsFolder = modelsDir
    request.name = name
    request.variant = variant
    request.way = copy ? .copy : move ? .move : link ? .link : .clone
    request.strictness = strict ? .strict : .lenient
    request.existing = force ? .replaced : .kept
    request.manifest = noManifest ? .omitted : .written
    request.run = dryRun ? .look : .place
    request.followsLinks = followLinks
    request.collecting = LayoutRequest.collecting(
      endpoint: endpoint, digests: digests, followsLinks: followLinks, largestArchive: maxSize)
    return request
  }
}
