import CPUBackend
import Calibration
import ModelBackend
import ONNXGraph
import Tensors
import Whisper

/// Calibrates a decoder by letting it write down recordings: its steps are those of real texts, in the float model's
/// own words.
public final class DecodingCalibration: @unchecked Sendable {
  // A session serves one run at a time, and calibration runs one clip after the other.
  private let encoder: SpeechPart
  private let tokenizer: Tokenizer
  private let settings: GenerationSettings
  private let options: DecodingOptions
  /// Recordings and folders of them.
  let paths: [String]

  /// - Parameter encoder: prepared, with the caches of the decoder's cross-attention as outputs.
  init(
    encoder: ModelGraph, _ speech: SpeechFiles, paths: [String], options: DecodingOptions, threadCount: Int?
  ) throws(PipelineError) {
    do {
      let session = try CPUBackend.session(encoder, options: CPUBackend.Options(threadCount: threadCount))
      self.encoder = SpeechPart(
        name: encoder.path, description: WhisperModelDescription.recognise(encoder), session: session)
    } catch {
      throw PipelineError("\(encoder.path): \(error.message)", ExitStatus(error.reason))
    }
    let text = try speech.text.get()
    (tokenizer, settings) = (text.tokenizer, text.settings)
    self.options = options
    self.paths = paths
  }

  /// Transcribes one recording, every step of the decoder observed.
  func run(
    _ path: String, decoder: ModelGraph, _ session: CPUSession, _ calibrator: Calibrator
  ) throws(PipelineError) {
    let observed = ObservingSession(session, calibrator)
    observed.clip = path
    try transcribe(path, decoder: decoder, by: observed)
  }

  /// The inputs of a few steps of one recording: the 4th, the 16th, the 64th and so on, or of the last one.
  func sampleSteps(
    _ path: String, decoder: ModelGraph, _ session: CPUSession
  ) throws(PipelineError) -> [[String: TensorContent]] {
    let samples = StepSamples(session)
    try transcribe(path, decoder: decoder, by: samples)
    return samples.kept.isEmpty ? [samples.last] : samples.kept
  }

  private func transcribe(
    _ path: String, decoder: ModelGraph, by session: any ModelSession
  ) throws(PipelineError) {
    let clip = try AudioFiles.read(path)
    let description = WhisperModelDescription.recognise(decoder)
    let files = [
      SpeechFile(
        name: encoder.name, description: encoder.description, outputs: encoder.session.outputs.map(\.name)),
      SpeechFile(
        name: decoder.path, description: description,
        outputs: decoder[decoder.root].outputs.map { decoder[$0].name }),
    ]
    do {
      let model = try SpeechModel(try SpeechPlan(files)) { file in
        file.description.part == .encoder
          ? encoder : SpeechPart(name: file.name, description: file.description, session: session)
      }
      _ = try Transcriber(model, tokenizer, settings).transcribe(clip.samples, options)
    } catch let error as DecodingError {
      throw PipelineError(error)
    } catch {
      throw PipelineError("\(path): \(error)", .internal)
    }
  }
}

/// Keeps the inputs of some of a decoder's steps; few, for each holds all caches.
private final class StepSamples: ModelSession {
  private(set) var kept: [[String: TensorContent]] = []
  private(set) var last: [String: TensorContent] = [:]
  private var stepCount = 0
  private var nextKept = 4
  private let session: any ModelSession

  init(_ session: any ModelSession) { self.session = session }

  var inputs: [TensorSignature] { session.inputs }
  var outputs: [TensorSignature] { session.outputs }
  var placement: Placement { session.placement }

  func run(
    _ feeds: [String: TensorContent], outputs: [String]
  ) throws(BackendError) -> [String: TensorContent] {
    stepCount += 1
    last = feeds
    if stepCount == nextKept {
      kept.append(feeds)
      nextKept *= 4
    }
    return try session.run(feeds, outputs: outputs)
  }
}
