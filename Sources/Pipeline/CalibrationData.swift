import ByteIO
public import Calibration
import ModelStore
public import ONNXGraph
public import Tensors
import Validation
public import Whisper

/// Where the data of a calibration comes from.
public enum CalibrationSource: Sendable {
  /// Recordings, `.npz` files of inputs, and folders of them.
  case files([String])
  /// Recordings that are transcribed, so that a decoder meets the steps of real texts.
  case decoding(DecodingCalibration)
  /// Made-up inputs: a last resort, for their ranges are those of no speech.
  case synthetic(count: Int, seed: UInt64)
}

/// What a model is run on to find out ranges: inputs that are made one run at a time.
public struct CalibrationData: Sendable {
  /// One run.
  struct Item: Sendable {
    enum Kind: Sendable {
      /// A window of a recording, which begins at this frame.
      case audio(path: String, firstFrame: Int)
      case archive(path: String)
      case decoding(path: String)
      case synthetic(seed: UInt64)
    }
    let kind: Kind
    let clip: RangeTable.Clip
  }

  private(set) var items: [Item]
  /// Sentences about recordings that are not what they say.
  private(set) var notes: [String] = []
  /// Whether the numbers are made up, which whoever shows the result says loudly.
  public let isSynthetic: Bool
  /// What transcribes recordings, when the steps of a decoder are wanted.
  var decoding: DecodingCalibration?

  /// What will be run, in order.
  public var clips: [RangeTable.Clip] { items.map(\.clip) }

  /// No run: everything is in a file of ranges.
  init() {
    isSynthetic = false
    items = []
  }

  /// Looks at the files and reads the lengths of the recordings; features are made later, run by run.
  ///
  /// - Parameter frameCount: that the model takes at a time; a longer recording is several runs.
  public init(
    _ source: CalibrationSource, frameCount: Int = LogMel.windowFrameCount
  ) throws(PipelineError) {
    switch source {
    case .synthetic(let count, let seed):
      isSynthetic = true
      items = (0..<UInt64(max(0, count))).map { turn in
        let clip = RangeTable.Clip(
          name: "synthetic \(turn + 1)", digest: RangeTable.Clip.seedWord + "\(seed &+ turn)")
        return Item(kind: .synthetic(seed: seed &+ turn), clip: clip)
      }
    case .decoding(let decoding):
      isSynthetic = false
      self.decoding = decoding
      var items: [Item] = []
      for path in decoding.paths {
        for file in try Self.files(path) {
          guard AudioFiles.isAudio(file) else {
            throw PipelineError("\(file): a decoder is calibrated by recordings, and this is none", .badInput)
          }
          let digest: String
          do { digest = FileDigest.sha256(of: try MappedFile(path: file)) } catch {
            throw PipelineError(error)
          }
          items.append(
            Item(
              kind: .decoding(path: file),
              clip: RangeTable.Clip(name: fileName(of: file), digest: "\(digest) decoded")))
        }
      }
      self.items = items
    case .files(let paths):
      isSynthetic = false
      items = []
      for path in paths {
        for file in try Self.files(path) { try add(file, frameCount) }
      }
    }
    if items.isEmpty {
      throw PipelineError(
        "there is no calibration data; name recordings, a folder of them, or .npz files", .usage)
    }
  }

  /// A file, or what a folder holds of recordings and arrays, in the order of names.
  private static func files(_ path: String) throws(PipelineError) -> [String] {
    if path.isEmpty { throw PipelineError("--calibration is an empty path; name recordings", .usage) }
    switch kind(ofPath: path) {
    case .missing: throw PipelineError(ByteIOError(.notFound, path: path))
    case .file: return [path]
    case .other: throw PipelineError("\(path): this is no file; name recordings or a folder of them", .usage)
    case .folder: break
    }
    let found: [String]
    do { found = try names(inFolder: path) } catch { throw PipelineError(error) }
    let taken = found.sorted().filter { AudioFiles.isAudio($0) || isArchive($0) }.map { joined(path, $0) }
      .filter { kind(ofPath: $0) == .file }
    if taken.isEmpty {
      throw PipelineError(
        "\(path): there is no recording (\(AudioFiles.endings.prefix(4).joined(separator: ", ")), ...) and no .npz in "
          + "this folder; name another one", .badInput)
    }
    return taken
  }

  private static func isArchive(_ path: String) -> Bool { path.lowercased().hasSuffix(".npz") }

  /// The runs of one file.
  private mutating func add(_ path: String, _ frameCount: Int) throws(PipelineError) {
    let digest: String
    do { digest = FileDigest.sha256(of: try MappedFile(path: path)) } catch { throw PipelineError(error) }
    let name = fileName(of: path)
    if Self.isArchive(path) {
      items.append(Item(kind: .archive(path: path), clip: RangeTable.Clip(name: name, digest: digest)))
      return
    }
    let clip = try AudioFiles.read(path)
    if clip.source.missingByteCount > 0 {
      notes.append(
        "\(path) ends \(clip.source.missingByteCount) bytes before its header says; what is there was taken")
    }
    let frames = (clip.samples.count + LogMel.samplesPerFrame - 1) / LogMel.samplesPerFrame
    // A rest of less than a second says nothing.
    let leastFrames = min(100, frameCount)
    items += stride(from: 0, to: max(1, frames), by: max(1, frameCount)).filter {
      $0 == 0 || frames - $0 >= leastFrames
    }
    .map { first in
      let place = first == 0 ? "" : "@\(first / 100)s"
      return Item(
        kind: .audio(path: path, firstFrame: first),
        clip: RangeTable.Clip(name: name + place, digest: digest + place))
    }
  }

  /// At most `count` of the runs, spread evenly over all.
  func spread(_ count: Int) -> CalibrationData {
    guard items.count > count else { return self }
    var result = self
    result.items = (0..<count).map { items[$0 * items.count / count] }
    return result
  }

  /// The inputs of the run of `clips[index]`.
  public func feeds(at index: Int, for graph: ModelGraph) throws(PipelineError) -> [String: TensorContent] {
    try feeds(items[index], for: graph)
  }

  /// The inputs of one run.
  ///
  /// - Parameter graph: a model with a mel spectrum among its inputs, for recordings.
  func feeds(_ item: Item, for graph: ModelGraph) throws(PipelineError) -> [String: TensorContent] {
    var request = FeedRequest()
    var (place, remedy) = (item.clip.name, "")
    switch item.kind {
    case .synthetic(let seed): request.seed = seed
    case .archive(let path):
      request.given = try Self.arrays(path)
      (place, remedy) = (path, Self.archiveRemedy)
      try Self.requireAll(request.given, of: graph, path)
    case .decoding(let path):
      throw PipelineError("\(path): a decoder's steps have no inputs of their own", .internal)
    case .audio(let path, let firstFrame):
      let input = try MelInput(graph, file: path)
      request.given[input.name] = try Self.features(path, firstFrame, input)
      place = path
    }
    let tensors: [String: TensorContent]
    do { tensors = try ModelFeeds(for: graph, request).tensors } catch {
      throw PipelineError("\(place): \(error.message)\(remedy)", .badInput)
    }
    // Ranges are made of what comes out, where nothing tells an input's fault from the model's.
    for name in request.given.keys.sorted() {
      guard let found = tensors[name].flatMap({ StrangeNumber(in: $0, allowsInfinity: false) }) else {
        continue
      }
      throw PipelineError(
        "\(place): '\(name)' has \(found.sentence), and no range can hold that; save finite numbers, in masks -100",
        .badInput)
    }
    return tensors
  }

  private static let archiveRemedy =
    "; save the inputs of this model, each under its own name, with numpy.savez"

  /// Made-up numbers in the place of an array that was forgotten would be calibrated in silence.
  private static func requireAll(
    _ given: [String: TensorContent], of graph: ModelGraph, _ path: String
  ) throws(PipelineError) {
    let missing = graph.requiredInputs.map { graph[$0].name }.filter { given[$0] == nil }
    if missing.isEmpty { return }
    func quoted(_ names: [String]) -> String {
      names.prefix(4).map { "'\($0)'" }.joined(separator: ", ") + (names.count > 4 ? ", ..." : "")
    }
    throw PipelineError(
      "\(path): there is no array for the input\(missing.count == 1 ? "" : "s") \(quoted(missing)) of this model, only "
        + "\(quoted(given.keys.sorted()))\(archiveRemedy)", .badInput)
  }

  private static func features(
    _ path: String, _ firstFrame: Int, _ input: MelInput
  ) throws(PipelineError) -> TensorContent {
    let clip = try AudioFiles.read(path)
    let mel: LogMel
    do { mel = try LogMel(melCount: input.melCount) } catch {
      throw PipelineError(error.message, .unsupported)
    }
    return mel.features(
      of: clip.samples.span, at: firstFrame * LogMel.samplesPerFrame, frameCount: input.frameCount)
  }

  private static func arrays(_ path: String) throws(PipelineError) -> [String: TensorContent] {
    var arrays: [String: TensorContent] = [:]
    do {
      let archive = try ZIPArchive(path: path)
      for entry in archive.entries where entry.path.hasSuffix(".npy") {
        let bytes = try archive.contents(of: entry, byteLimit: 1 << 30)
        arrays[String(entry.path.dropLast(4))] = try NPYArray.read(bytes)
      }
    } catch let error as ArchiveError {
      throw PipelineError("\(error.message); write it with numpy.savez", .badInput)
    } catch let error as NPYError {
      throw PipelineError("\(path): \(error.message)", .badInput)
    } catch {
      throw PipelineError("\(path): \(error)", .internal)
    }
    if arrays.isEmpty {
      throw PipelineError("\(path): there is no array in this archive; write it with numpy.savez", .badInput)
    }
    return arrays
  }
}

extension RangeTable.Clip {
  /// Before the seed of made-up inputs, where recordings have their digest.
  static let seedWord = "seed "

  /// Whether the inputs were made up.
  var isSynthetic: Bool { digest.hasPrefix(Self.seedWord) }
}

/// The input of a model that takes the features of a recording.
struct MelInput {
  let name: String
  let melCount: Int
  let frameCount: Int

  /// The mel spectrum among a model's inputs: rank 3, with as many bands as a Whisper has.
  init(_ graph: ModelGraph, file: String) throws(PipelineError) {
    let bands = WhisperModelDescription.recognise(graph).dimensions.melCount
    for value in graph.requiredInputs {
      guard let shape = graph.declaredShape(of: value), shape.count == 3,
        graph[value].declaredElementType.map({ [.float32, .float16, .bfloat16].contains($0) }) ?? true
      else { continue }
      let found = shape[1].extent ?? bands ?? 0
      guard found == bands || found == 80 || found == 128 else { continue }
      if let count = shape[0].extent, count != 1 {
        throw PipelineError(
          "\(file): input '\(graph[value].name)' takes \(count) recordings at a time, and whisperq feeds one; leave out "
            + "the --dim that says so, or give it 1", .usage)
      }
      (name, melCount) = (graph[value].name, found)
      frameCount = shape[2].extent ?? LogMel.windowFrameCount
      return
    }
    let inputs = graph.requiredInputs.map { "'\(graph[$0].name)'" }.joined(separator: ", ")
    throw PipelineError(
      "\(file): this model takes no mel spectrum (its inputs are \(inputs)), so a recording cannot calibrate it; "
        + "quantize the folder that holds its encoder, too, which lets it write down the recordings, or give its "
        + "inputs as .npz", .usage)
  }
}
