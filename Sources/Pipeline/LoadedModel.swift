import ByteIO
import ModelBackend
import ONNXFile
import ONNXGraph
import Tensors
import Validation
import Whisper

/// A model that was read, with everything that was found while reading it.
struct LoadedModel {
  let path: String
  let graph: ModelGraph
  let description: WhisperModelDescription
  /// With its data files.
  let byteCount: Int
  /// Of the external data, each a sentence.
  let problems: [String]

  init(path: String, followsLinks: Bool) throws(PipelineError) {
    let links: LinkPolicy = followsLinks ? .follow : .refuse
    let external = ExternalDataFiles(modelPath: path, links: links)
    self.path = path
    do {
      let file = try MappedFile(path: path)
      let model = try ModelReader.read(file)
      graph = try ModelGraph.lift(model, external: external, tensors: .noted)
      let health = DataHealth(model, graph, external: external, links: links)
      problems = health.problems
      byteCount = file.byteCount + health.files.reduce(0) { $0 + ($1.byteCount ?? 0) }
    } catch let error as ByteIOError {
      throw PipelineError(error)
    } catch let error as ONNXFileError {
      throw PipelineError(error)
    } catch let error as LiftError {
      throw PipelineError(error)
    } catch {
      throw PipelineError("\(path): \(error)", .internal)
    }
    description = WhisperModelDescription.recognise(graph)
  }

  /// `Whisper tiny.en encoder, Hugging Face Optimum`.
  var title: String {
    guard description.isWhisper else { return "ONNX model" }
    let size = description.size.map { " " + $0.name } ?? ""
    return "Whisper\(size) \(description.part.title), \(description.layout.title)"
  }

  /// Feeds by the request; an array without a name goes to the only input.
  func feeds(_ request: FeedRequest) throws(PipelineError) -> ModelFeeds {
    try made(named(request))
  }

  /// Feeds for every way through the model: a merged decoder holds two graphs, and both must be tried.
  func feedSteps(_ request: FeedRequest) throws(PipelineError) -> FeedSteps {
    let request = try named(request)
    let first = try made(request)
    guard first.branch == .withPast, request.branch == nil else { return FeedSteps(first) }
    var other = request
    other.branch = .noPast
    var fixed = other
    for (name, tensor) in first.tensors where request.given[name] == nil {
      fixed.shapes[name] = tensor.shape.dimensions
    }
    return FeedSteps(first, try made(other), fixed: try made(fixed))
  }

  private func made(_ request: FeedRequest) throws(PipelineError) -> ModelFeeds {
    do { return try ModelFeeds(for: graph, request) } catch {
      throw PipelineError("\(path): \(error.message)", .usage)
    }
  }

  /// The request with a name for the array that has none.
  private func named(_ request: FeedRequest) throws(PipelineError) -> FeedRequest {
    var request = request
    if let lone = request.given.removeValue(forKey: "") {
      let names = graph.requiredInputs.map { graph[$0].name }
      guard names.count == 1 else {
        throw PipelineError(
          "\(path): the model has \(names.count) inputs (\(names.joined(separator: ", "))); name the array's, as in "
            + "--input \(names.first ?? "name")=file.npy", .usage)
      }
      request.given[names[0]] = lone
    }
    return request
  }
}

/// The runs that a model is judged by: one, or one for each branch of a merged decoder.
struct FeedSteps {
  let first: ModelFeeds
  /// The first step of a text, in extents of its own.
  private let other: ModelFeeds?
  /// The same in the extents of `first`, for a session that has them bound.
  private let fixed: ModelFeeds?

  init(_ first: ModelFeeds, _ other: ModelFeeds? = nil, fixed: ModelFeeds? = nil) {
    self.first = first
    self.other = other
    self.fixed = fixed
  }

  /// Extents that are the same in all runs; others stay open where the session allows it.
  var sharedDimensions: [String: Int] {
    guard let other else { return first.dimensions }
    return first.dimensions.filter { other.dimensions[$0.key] == $0.value }
  }

  func all(on provider: Provider) -> [ModelFeeds] {
    guard let other, let fixed else { return [first] }
    return [first, provider == .qnn ? fixed : other]
  }
}
