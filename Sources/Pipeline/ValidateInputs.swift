import ByteIO
import ModelStore
import Tensors
import Validation
import Whisper

extension InputChoice {
  /// Reads words and files; a single `.npy` without a name is under "".
  func request() throws(PipelineError) -> FeedRequest {
    var request = FeedRequest()
    request.seed = seed
    request.pastCount = pastCount
    for word in dimensions {
      let (name, text) = try Self.split(word, option: "--dim", example: "batch_size=1")
      guard let extent = Int(text) else { throw Self.misuse("--dim", word, "batch_size=1") }
      request.dimensions[name] = extent
    }
    for word in shapes {
      let (name, text) = try Self.split(word, option: "--shape", example: "input_features=1,80,3000")
      let extents = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
      guard !extents.contains(nil) else { throw Self.misuse("--shape", word, "input_features=1,80,3000") }
      request.shapes[name] = extents.compactMap { $0 }
    }
    for word in files { try read(word, into: &request) }
    return request
  }

  private static func misuse(_ option: String, _ word: String, _ example: String) -> PipelineError {
    PipelineError("\(option) '\(word)' is not understood; write it like \(option) \(example)", .usage)
  }

  private static func split(
    _ word: String, option: String, example: String
  ) throws(PipelineError) -> (name: String, value: String) {
    guard let equals = word.firstIndex(of: "="), equals > word.startIndex else {
      throw misuse(option, word, example)
    }
    return (String(word[..<equals]), String(word[word.index(after: equals)...]))
  }

  private func read(_ word: String, into request: inout FeedRequest) throws(PipelineError) {
    var name = ""
    var path = word
    if kind(ofPath: word) == .missing, let equals = word.firstIndex(of: "=") {
      name = String(word[..<equals])
      path = String(word[word.index(after: equals)...])
    }
    if path.hasSuffix(".npz") {
      guard name.isEmpty else {
        throw PipelineError("--input '\(word)': the arrays of an .npz file have names of their own", .usage)
      }
      try readArchive(path, into: &request)
    } else {
      let file: MappedFile
      do { file = try MappedFile(path: path) } catch { throw PipelineError(error) }
      request.given[name] = try Self.array(TensorBytes.mapped(file, 0..<file.byteCount).copied(), path)
    }
  }

  private func readArchive(_ path: String, into request: inout FeedRequest) throws(PipelineError) {
    if kind(ofPath: path) == .missing { throw PipelineError(ByteIOError(.notFound, path: path)) }
    do {
      let archive = try ZIPArchive(path: path)
      for entry in archive.entries where entry.path.hasSuffix(".npy") {
        let bytes = try archive.contents(of: entry, byteLimit: 1 << 30)
        request.given[String(entry.path.dropLast(4))] = try Self.array(bytes, "\(path): \(entry.path)")
      }
    } catch let error as ArchiveError {
      throw PipelineError(error.message, .badInput)
    } catch let error as PipelineError {
      throw error
    } catch {
      throw PipelineError("\(path): \(error)", .internal)
    }
    if request.given.isEmpty { throw PipelineError("\(path): there is no array in this archive", .badInput) }
  }

  private static func array(_ bytes: [UInt8], _ place: String) throws(PipelineError) -> TensorContent {
    let content: TensorContent
    do { content = try NPYArray.read(bytes) } catch {
      throw PipelineError("\(place): \(error.message)", .badInput)
    }
    // Infinities are the business of masks.
    if let found = StrangeNumber(in: content, allowsInfinity: true) {
      throw PipelineError(
        "\(place): the array has \(found.sentence), of which no model computes anything; save finite numbers",
        .badInput)
    }
    return content
  }
}
