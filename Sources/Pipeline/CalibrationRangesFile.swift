import ByteIO
public import Calibration
import FoundationEssentials
import Tensors

/// Ranges as a JSON file with sorted keys: the same ranges are the same bytes.
public enum CalibrationRangesFile {
  /// Larger files are no ranges.
  private static let byteLimit = 256 << 20

  public static func text(_ table: RangeTable) throws(PipelineError) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(table), as: UTF8.self) + "\n"
    } catch {
      throw PipelineError("the ranges cannot be written as JSON: \(error)", .internal)
    }
  }

  public static func write(_ table: RangeTable, to path: String) throws(PipelineError) {
    try ResultFile.write(text(table), to: path)
  }

  public static func read(_ path: String) throws(PipelineError) -> RangeTable {
    let file: MappedFile
    do { file = try MappedFile(path: path) } catch { throw PipelineError(error) }
    guard file.byteCount <= byteLimit else {
      throw PipelineError("\(path): \(file.byteCount) bytes are too many for ranges", .badInput)
    }
    let bytes = TensorBytes.mapped(file, 0..<file.byteCount).copied()
    do {
      return try JSONDecoder().decode(RangeTable.self, from: Data(bytes))
    } catch {
      throw PipelineError(
        "\(path): these are no usable ranges (\(sentence(error))); remove the file, or name another one",
        .badInput)
    }
  }

  private static func sentence(_ error: any Error) -> String {
    guard let error = error as? DecodingError else { return "\(error)" }
    switch error {
    case .keyNotFound(let key, _): return "the key '\(key.stringValue)' is missing"
    case .dataCorrupted(let context), .typeMismatch(_, let context), .valueNotFound(_, let context):
      let place = context.codingPath.map(\.stringValue).joined(separator: ".")
      return (place.isEmpty ? "" : "at \(place): ") + context.debugDescription
    @unknown default: return "\(error)"
    }
  }
}
