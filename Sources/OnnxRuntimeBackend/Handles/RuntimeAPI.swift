import COnnxRuntime
import ModelBackend

/// The runtime's table of functions, which lives as long as the process.
@safe struct RuntimeAPI: Sendable {
  /// The table; every function of the C module reads it only.
  nonisolated(unsafe) let table: OpaquePointer
  /// The version of the table that the library was asked for.
  let version: Int

  /// Turns a status into an error with the runtime's own words, and releases it.
  ///
  /// The status must be one that a function of this table has just returned.
  @unsafe func check(_ status: OpaquePointer?, _ during: String) throws(BackendError) {
    guard let status = unsafe status else { return }
    // Safe: the status is valid until it is released, which happens once, after its text was copied.
    let code = unsafe cort_status_code(table, status)
    let text = unsafe text(cort_status_message(table, status)) ?? "no reason given"
    unsafe cort_release(table, cort_release_status, UnsafeMutableRawPointer(status))
    throw BackendError(
      RuntimeAPI.reason(ofCode: code), "\(during): ONNX Runtime says \"\(RuntimeAPI.tidied(text))\"")
  }

  /// A copy of text that the runtime lends; nil when there is none.
  @unsafe func text(_ lent: UnsafePointer<CChar>?) -> String? {
    // Safe: the runtime ends its texts with a NUL byte, and this one is valid for the length of the call.
    unsafe lent.map { unsafe String(cString: $0) }
  }

  /// What the runtime's error codes mean for us (`OrtErrorCode`).
  private static func reason(ofCode code: Int32) -> BackendError.Reason {
    switch code {
    case 3, 4, 7, 10: return .badModel
    case 9, 11: return .unsupported
    default: return .failed
    }
  }

  /// One line, without the end that some messages have.
  static func tidied(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).map { line in
      String(line.drop(while: \.isWhitespace))
    }.joined(separator: " ")
  }
}
