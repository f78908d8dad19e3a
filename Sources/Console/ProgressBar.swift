/// One picture of how far a job of known size is; a value, so that drawing it can be tested.
public struct ProgressBar: Sendable, Equatable {
  public var label: String
  public var doneByteCount: UInt64
  public var totalByteCount: UInt64
  /// The time since the job began.
  public var elapsed: Duration

  /// A job called `label`, `doneByteCount` of `totalByteCount` bytes done after `elapsed`.
  public init(label: String, doneByteCount: UInt64 = 0, totalByteCount: UInt64, elapsed: Duration = .zero) {
    self.label = label
    self.doneByteCount = doneByteCount
    self.totalByteCount = totalByteCount
    self.elapsed = elapsed
  }

  /// The part that is done, 0 to 1; a job of no bytes is done.
  public var share: Double {
    totalByteCount == 0 ? 1 : min(1, Double(doneByteCount) / Double(totalByteCount))
  }

  /// The time the rest takes at the mean rate so far; nil before the first byte.
  public var remaining: Duration? {
    guard doneByteCount > 0, doneByteCount < totalByteCount else {
      return doneByteCount > 0 || totalByteCount == 0 ? .zero : nil
    }
    return elapsed * (Double(totalByteCount - doneByteCount) / Double(doneByteCount))
  }

  /// The whole percent, rounded down so that 100 means done.
  private var percent: Int { Int(share * 100) }

  /// The bar on one line of at most `width` columns:
  /// `encoder  [######----------]  37%  0.94 of 2.55 GB  4.18 GB/s  0:01 left`.
  ///
  /// What does not fit is left out, the bar first.
  public func draw(width: Int) -> String {
    let name = Printable.name(label)
    let numbers = plainNumbers(leftWord: " left")
    let used = Printable.columnCount(name) + Printable.columnCount(numbers) + 2 + 4
    let barColumnCount = min(30, width - used)
    let line =
      barColumnCount >= 8
      ? "\(name)  [\(bar(columnCount: barColumnCount))]  \(numbers)"
      : "\(name)  \(numbers)"
    return Printable.prefix(line, columnCount: width)
  }

  /// The same without a bar, for a file or pipe: `encoder: 37%  944 MB of 2.55 GB  4.18 GB/s  0:01 left`.
  public func drawPlain() -> String {
    "\(Printable.name(label)): \(plainNumbers(leftWord: " left"))"
  }

  /// The last line of a job: `encoder: 2.55 GB in 0.61 s, 4.18 GB/s`.
  public func drawFinal() -> String {
    let rate = Format.rate(doneByteCount, in: elapsed).map { ", \($0)" } ?? ""
    return "\(Printable.name(label)): \(Format.bytes(doneByteCount)) in \(Format.duration(elapsed))\(rate)"
  }

  private func bar(columnCount: Int) -> String {
    let full = Int(share * Double(columnCount))
    return String(repeating: "#", count: full) + String(repeating: "-", count: columnCount - full)
  }

  private func plainNumbers(leftWord: String) -> String {
    let padding = String(repeating: " ", count: percent < 10 ? 2 : percent < 100 ? 1 : 0)
    var parts = [
      "\(padding)\(percent)%", "\(Format.bytes(doneByteCount)) of \(Format.bytes(totalByteCount))",
    ]
    if let rate = Format.rate(doneByteCount, in: elapsed) { parts.append(rate) }
    if let remaining { parts.append(Format.clock(remaining) + leftWord) }
    return parts.joined(separator: "  ")
  }
}
