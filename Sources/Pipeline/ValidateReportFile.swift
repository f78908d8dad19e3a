import ByteIO
public import Validation

/// The report of a validation as a file.
public enum HTMLReportFile {
  /// Says before the work, not after it, that the page has no place.
  public static func checkPlace(_ path: String) throws(PipelineError) {
    let home = folder(of: path)
    switch kind(ofPath: path) {
    case .folder, .other: throw PipelineError("--report \(path): this is no file; name one", .usage)
    case .missing, .file: break
    }
    guard home.isEmpty || kind(ofPath: home) == .folder else {
      throw PipelineError("--report \(path): there is no folder \(home)", .inputOutput)
    }
  }

  /// Writes the page, whole or not at all.
  public static func write(_ reports: [ModelReport], to path: String) throws(PipelineError) {
    let bytes = Array(HTMLReport.page(reports).utf8)
    do {
      let output = try OutputFile(path: path, byteCount: bytes.count)
      // Bytes have no padding, so reading them raw is sound.
      try output.write(unsafe bytes.span.bytes, at: 0)
      try output.commit()
    } catch {
      throw PipelineError(error)
    }
  }
}
