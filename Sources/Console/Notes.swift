/// What a run says besides its result: one line each, to standard error, filtered by the verbosity.
///
/// A failure to write a note is passed over: the result counts, and the exit code says how it went.
public struct Notes: Sendable {
  public let stream: TerminalStream
  public let verbosity: Verbosity

  /// Notes to `stream`, as many as `verbosity` lets through.
  public init(stream: TerminalStream = .standardError, verbosity: Verbosity) {
    self.stream = stream
    self.verbosity = verbosity
  }

  /// Why the run fails; said at every verbosity.
  public func error(_ text: String) {
    line(text, prefix: "error: ", style: .bad, from: .quiet)
  }

  /// What may be wrong although the run goes on.
  public func warning(_ text: String) {
    line(text, prefix: "warning: ", style: .warning, from: .normal)
  }

  /// What a person wants to know.
  public func note(_ text: String) {
    line(text, prefix: "", style: .plain, from: .normal)
  }

  /// What somebody who looks for the cause of something wants to know.
  public func detail(_ text: String) {
    line(text, prefix: "", style: .faint, from: .verbose)
  }

  private func line(_ text: String, prefix: String, style: TextStyle, from least: Verbosity) {
    guard verbosity >= least else { return }
    let shown = Printable.lines(text)
    let colored =
      prefix.isEmpty
      ? style.applied(to: shown, colors: stream.colors)
      : style.applied(to: prefix, colors: stream.colors) + shown
    try? stream.write(colored + "\n")
  }
}
