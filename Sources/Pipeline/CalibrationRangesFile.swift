public import Calibration
import FoundationEssentials

/// Ranges as a JSON file with sorted keys: the same ranges are the same bytes.
public enum CalibrationRangesFile {
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
    try SettingsFile.read(path, what: "file of ranges", remedy: "; remove the file, or name another one")
  }
}
