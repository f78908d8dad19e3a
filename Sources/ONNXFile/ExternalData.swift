public import ByteIO
import Synchronization
public import Tensors

/// Where a tensor's bytes are when they are in another file.
///
/// Source: onnx.proto, `TensorProto.external_data`; keys `location`, `offset`, `length`, `checksum`.
public struct ExternalLocation: Sendable {
  /// Path relative to the model's folder.
  public let location: String
  public let byteOffset: Int
  /// Nil means "as long as shape and type need".
  public let byteCount: Int?

  /// Reads the entries of a tensor; the text says what is wrong with them.
  static func parse(_ entries: [StringStringEntryProto]) -> Result<ExternalLocation, Problem> {
    var location: String?
    var offset = 0
    var length: Int?
    for entry in entries {
      switch entry.key {
      case "location": location = entry.value ?? ""
      case "offset":
        guard let value = number(entry.value) else { return .failure(Problem("offset", entry.value)) }
        offset = value
      case "length":
        guard let value = number(entry.value) else { return .failure(Problem("length", entry.value)) }
        length = value
      default: break
      }
    }
    guard let location else { return .failure(Problem(text: "it has no 'location'; export the model again")) }
    return .success(ExternalLocation(location: location, byteOffset: offset, byteCount: length))
  }

  private static func number(_ text: String?) -> Int? {
    guard let text, let value = Int(text), value >= 0 else { return nil }
    return value
  }

  struct Problem: Error {
    let text: String

    init(text: String) { self.text = text }

    init(_ key: String, _ value: String?) {
      text = "'\(key)' is '\(value ?? "")', expected a number of bytes"
    }
  }
}

/// Opens the data files that a model names, each once, and only inside the model's folder.
public final class ExternalDataFiles: Sendable {
  public let modelPath: String
  private let folderPath: String
  private let links: LinkPolicy
  private let state = Mutex(State())

  private struct State {
    var files: [String: MappedFile] = [:]
    /// What each tensor takes of each file.
    var ranges: [(identity: FileIdentity?, range: Range<Int>, tensor: String)] = []
  }

  public init(modelPath: String, links: LinkPolicy = .refuse) {
    self.modelPath = modelPath
    folderPath = folder(of: modelPath)
    self.links = links
  }

  /// The files opened so far, by location, sorted.
  public var opened: [(location: String, file: MappedFile)] {
    state.withLock { $0.files.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
  }

  /// The bytes of a tensor whose data is external, checked against `expectedByteCount`.
  public func bytes(of tensor: TensorProto, expectedByteCount: Int) throws(ONNXFileError) -> TensorBytes {
    let name = tensor.name ?? ""
    let place: ExternalLocation
    switch ExternalLocation.parse(tensor.externalData) {
    case .success(let value): place = value
    case .failure(let problem):
      throw ONNXFileError(.externalData(tensor: name, problem: problem.text), path: modelPath)
    }
    if let byteCount = place.byteCount, byteCount != expectedByteCount {
      throw ONNXFileError(
        .externalData(
          tensor: name,
          problem: "'length' is \(byteCount), but its shape and type need \(expectedByteCount) bytes"),
        path: modelPath)
    }
    let file = try open(place.location, for: name)
    let (end, overflow) = place.byteOffset.addingReportingOverflow(expectedByteCount)
    guard !overflow, end <= file.byteCount else {
      throw ONNXFileError(
        .externalData(
          tensor: name,
          problem: "\(file.path) has \(file.byteCount) bytes, but \(expectedByteCount) at offset "
            + "\(place.byteOffset) are needed; the file is truncated or belongs to another model"),
        path: modelPath)
    }
    let range = place.byteOffset..<end
    if !range.isEmpty { state.withLock { $0.ranges.append((file.identity, range, name)) } }
    return .mapped(file, range)
  }

  /// Refuses tensors that share a part of their bytes; sharing all of them is a tied weight and fine.
  public func checkOverlaps() throws(ONNXFileError) {
    let ranges = state.withLock { $0.ranges }.sorted {
      ($0.identity?.inode ?? 0, $0.range.lowerBound, $0.range.upperBound)
        < ($1.identity?.inode ?? 0, $1.range.lowerBound, $1.range.upperBound)
    }
    for (first, second) in zip(ranges, ranges.dropFirst()) {
      guard first.identity == second.identity, first.range != second.range,
        second.range.lowerBound < first.range.upperBound
      else { continue }
      throw ONNXFileError(
        .externalData(
          tensor: second.tensor,
          problem: "it begins at byte \(second.range.lowerBound), inside the data of tensor "
            + "'\(first.tensor)' (bytes \(first.range.lowerBound) to \(first.range.upperBound)); "
            + "the model is damaged, export it again"), path: modelPath)
    }
  }

  private func open(_ location: String, for tensor: String) throws(ONNXFileError) -> MappedFile {
    if let file = state.withLock({ $0.files[location] }) { return file }
    let file: MappedFile
    do {
      file = try ContainedFile.map(location, in: folderPath, links: links)
    } catch {
      throw ONNXFileError(.externalFile(tensor: tensor, error), path: modelPath)
    }
    state.withLock { $0.files[location] = file }
    return file
  }
}
