import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A stream of text that a person or a file reads: standard output or standard error.
///
/// Whole lines are written with one call each, so lines of several threads do not mix. A status line (the
/// progress bar) stays below the lines while it is set; only a terminal has one.
public final class TerminalStream: Sendable {
  /// What stands at the other end.
  public enum Kind: Sendable {
    /// A screen: it can redraw a line and has a width.
    case terminal
    /// A file or pipe: lines only.
    case plain
  }

  /// Standard output: the result of a run, and nothing else.
  public static let standardOutput = TerminalStream(descriptor: 1)
  /// Standard error: progress, notes and errors.
  public static let standardError = TerminalStream(descriptor: 2)

  public let kind: Kind
  public let colors: ColorUse
  private let measureWidth: @Sendable () -> Int?
  private let sink: @Sendable (String) throws(ConsoleError) -> Void
  private let statusLine = Mutex<String?>(nil)

  /// The stream behind an open file descriptor; asks the system whether it is a terminal.
  public convenience init(descriptor: Int32) {
    let kind: Kind = isatty(descriptor) == 1 ? .terminal : .plain
    let colors = ColorUse.choose(for: kind, noColor: variable("NO_COLOR"), term: variable("TERM"))
    self.init(
      kind: kind, colors: colors,
      measureWidth: { kind == .terminal ? terminalWidth(descriptor) : nil },
      sink: { (text) throws(ConsoleError) in try writeAll(text, to: descriptor) })
  }

  /// A stream that hands its text to `sink`; for tests and for text kept in memory.
  ///
  /// `measureWidth` is asked at each use, because a terminal can change its size.
  public init(
    kind: Kind, colors: ColorUse,
    measureWidth: @escaping @Sendable () -> Int? = { nil },
    sink: @escaping @Sendable (String) throws(ConsoleError) -> Void
  ) {
    self.kind = kind
    self.colors = colors
    self.measureWidth = measureWidth
    self.sink = sink
  }

  /// The columns of the terminal, or nil when there is none or it does not say.
  public var width: Int? { measureWidth() }

  /// Writes `text` as it is, all of it, and throws when the system does not take it.
  public func write(_ text: String) throws(ConsoleError) {
    // `withLock` erases the type of the error, so the result carries it out.
    let outcome = statusLine.withLock { status -> Result<Void, ConsoleError> in
      let cleared = status.map { _ in TerminalStream.eraseLine + text } ?? text
      let restored = status.map { cleared + (text.hasSuffix("\n") ? $0 : "") } ?? cleared
      return Result { () throws(ConsoleError) in try sink(restored) }
    }
    try outcome.get()
  }

  /// Writes one line; control characters in `text` are shown, not sent.
  public func writeLine(_ text: String, style: TextStyle = .plain) throws(ConsoleError) {
    try write(style.applied(to: Printable.lines(text), colors: colors) + "\n")
  }

  /// Sets, changes or (nil) takes away the line that stays at the bottom of a terminal; does nothing elsewhere.
  ///
  /// A status line that cannot be written is not worth an error, so failures are passed over.
  public func setStatusLine(_ text: String?) {
    guard kind == .terminal else { return }
    statusLine.withLock { status in
      guard status != nil || text != nil else { return }
      status = text
      try? sink(TerminalStream.eraseLine + (text ?? ""))
    }
  }

  /// Back to the first column, and erase to the end of the line (ECMA-48 EL).
  private static let eraseLine = "\r\u{1b}[K"
}

/// The value of an environment variable, nil when unset.
private func variable(_ name: String) -> String? {
  // Proof: getenv returns nil or a NUL-terminated string of the environment, which nothing in this program
  // changes; it is copied at once.
  guard let value = unsafe getenv(name) else { return nil }
  return unsafe String(cString: value)
}

/// The columns of the terminal behind a descriptor, nil when it does not say.
private func terminalWidth(_ descriptor: Int32) -> Int? {
  var size = winsize()
  // Proof: TIOCGWINSZ fills one `winsize`, which `size` is, and keeps no pointer to it.
  guard unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
  return Int(size.ws_col)
}

/// Writes every byte of `text`; goes on after a signal or a short write.
private func writeAll(_ text: String, to descriptor: Int32) throws(ConsoleError) {
  let bytes = Array(text.utf8)
  var written = 0
  while written < bytes.count {
    // Proof: the pointer and the count describe the rest of the array, which lives through the call.
    let count = unsafe bytes.withUnsafeBytes { buffer in
      let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
      return unsafe posixWrite(descriptor, rest)
    }
    if count >= 0 {
      written += count
    } else if errno != EINTR && errno != EAGAIN {
      throw ConsoleError(descriptor: descriptor, code: errno)
    }
  }
}

/// The system's `write`, under a name that no method hides.
@unsafe private func posixWrite(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
  // Proof: the buffer's address and count belong together.
  unsafe write(descriptor, bytes.baseAddress, bytes.count)
}
