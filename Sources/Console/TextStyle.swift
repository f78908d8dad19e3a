/// What a piece of a line means, shown as a colour where colours are wanted.
public enum TextStyle: Sendable, CaseIterable {
  case plain
  case strong
  case faint
  case good
  case warning
  case bad

  /// The terminal's code for the style (ECMA-48, "select graphic rendition"), or nil for plain text.
  private var code: String? {
    switch self {
    case .plain: nil
    case .strong: "1"
    case .faint: "2"
    case .good: "32"
    case .warning: "33"
    case .bad: "31"
    }
  }

  /// `text` in this style when `colors` says so, otherwise `text` as it is.
  public func applied(to text: String, colors: ColorUse) -> String {
    guard colors == .ansi, let code else { return text }
    return "\u{1b}[\(code)m\(text)\u{1b}[0m"
  }
}

/// Whether text carries colour codes.
public enum ColorUse: Sendable {
  case none
  case ansi

  /// The choice for a stream: colours only on a terminal that is not `dumb`, and never when `NO_COLOR` is set
  /// to anything but the empty text (source: no-color.org).
  ///
  /// `noColor` and `term` are the values of the environment variables NO_COLOR and TERM, nil when unset.
  public static func choose(for kind: TerminalStream.Kind, noColor: String?, term: String?) -> ColorUse {
    guard kind == .terminal, term != "dumb" else { return .none }
    if let noColor, !noColor.isEmpty { return .none }
    return .ansi
  }
}
