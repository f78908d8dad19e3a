import ModelBackend
import ONNXGraph
import Validation
import Whisper

/// The interface that a Whisper gets for an NPU: caches of fixed length go in and out, and the encoder makes those of
/// the sound. No other export has it, so only a model prepared in the same way is a reference.
enum StaticInterface {
  static func exists(in model: ModelGraph) -> Bool {
    StaticSpeech.isStaticDecoder(model)
      || model[model.root].outputs.contains { model[$0].name == "k_cache_cross_0" }
  }

  /// The same of a file; false when it cannot be read.
  static func exists(atPath path: String) -> Bool {
    guard let model = try? LoadedModel(path: path, followsLinks: false) else { return false }
    return exists(in: model.graph)
  }

  static let remedy =
    "its caches have a fixed length, an interface that exports do not have; compare with what 'whisperq prepare FOLDER "
    + "--output prepared' (with the same --max-tokens) makes of the float models, or what quantize left with "
    + "--keep-prepared: --reference prepared"
}

extension ModelValidation {
  /// The reference, when it has the interface of the model; one that was only found is left out with a note.
  mutating func comparable(
    _ reference: LoadedModel?, _ model: LoadedModel
  ) throws(PipelineError) -> LoadedModel? {
    guard let reference, StaticInterface.exists(in: model.graph), !StaticInterface.exists(in: reference.graph)
    else { return reference }
    let sentence = "\(reference.path) is no reference for \(model.path): \(StaticInterface.remedy)"
    let isWanted =
      request.limits.minimumSQNR != nil || request.limits.minimumCosine != nil || request.depth == .layers
    if request.reference != nil || isWanted { throw PipelineError(sentence, .usage) }
    report.notes.append("not compared: \(sentence)")
    return nil
  }

  /// Passes over a compiled model of a folder when nothing that is asked for could run it and its source is there.
  mutating func passOver(_ model: LoadedModel, _ order: ProviderOrder) throws(PipelineError) -> Bool {
    guard let source = target.sourcePath, request.depth != .structure, !order.providers.contains(.qnn),
      ContextModel(model.graph).isCompiled
    else { return false }
    report.isPassedOver = true
    report.notes.append(
      "passed over: this model was compiled for an NPU, which \(order) is not, and \(source) stands for it; "
        + "--ep qnn runs it")
    return true
  }

  /// What nobody gave of the inputs of a run.
  func madeUp(_ feeds: ModelFeeds) -> RunReport.MadeUpInputs? {
    // An array without a name goes to the only input.
    guard feedRequest.given[""] == nil else { return nil }
    let names = feeds.names.filter { feedRequest.given[$0] == nil }
    return names.isEmpty ? nil : RunReport.MadeUpInputs(seed: feedRequest.seed, names: names)
  }
}
