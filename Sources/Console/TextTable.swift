/// A table of text in aligned columns.
///
/// Cells are shown in full unless `render` is given the width of a terminal; control characters in them are
/// spelt out.
public struct TextTable: Sendable {
  /// On which side of its column a cell stands.
  public enum Alignment: Sendable {
    /// For words. Such a column may be cut to fit a terminal.
    case left
    /// For numbers, which are never cut.
    case right
  }

  /// The head of a column, and how its cells stand.
  public struct Column: Sendable {
    public let header: String
    public let alignment: Alignment

    /// A column under `header`.
    public init(_ header: String, _ alignment: Alignment = .left) {
      self.header = header
      self.alignment = alignment
    }
  }

  private static let gap = "  "
  private static let leastCutColumnCount = 8

  public let columns: [Column]
  private var rows: [[String]] = []

  /// An empty table; columns without any header text are drawn without a head.
  public init(_ columns: [Column]) {
    self.columns = columns
  }

  /// The count of rows, the head apart.
  public var rowCount: Int { rows.count }

  /// Adds a row of at most one cell a column; missing cells are empty.
  public mutating func append(_ cells: [String]) {
    precondition(cells.count <= columns.count, "a row has at most one cell a column")
    let missing = Array(repeating: "", count: columns.count - cells.count)
    rows.append(cells.map(Printable.name) + missing)
  }

  /// The lines of the table, each with its line end; no line ends in a blank.
  ///
  /// With `width`, the widest left-aligned columns are cut in their middle until the lines fit; when even that
  /// does not do, lines are cut at the end.
  public func render(width: Int? = nil) -> String {
    let widths = fitted(naturalWidths(), to: width)
    var lines: [String] = []
    if columns.contains(where: { !$0.header.isEmpty }) {
      lines.append(line(columns.map(\.header), widths))
      lines.append(line(widths.map { String(repeating: "-", count: $0) }, widths))
    }
    lines += rows.map { line($0, widths) }
    if let width { lines = lines.map { Printable.prefix($0, columnCount: width) } }
    return lines.map { $0 + "\n" }.joined()
  }

  private func naturalWidths() -> [Int] {
    columns.indices.map { index in
      rows.reduce(Printable.columnCount(columns[index].header)) {
        max($0, Printable.columnCount($1[index]))
      }
    }
  }

  /// Takes columns away from the widest left-aligned cells, one at a time, until the line fits in `width`.
  private func fitted(_ natural: [Int], to width: Int?) -> [Int] {
    guard let width else { return natural }
    var widths = natural
    var excess = widths.reduce(0, +) + TextTable.gap.count * (columns.count - 1) - width
    while excess > 0 {
      let cuttable = widths.indices.filter {
        columns[$0].alignment == .left && widths[$0] > TextTable.leastCutColumnCount
      }
      guard let widest = cuttable.max(by: { widths[$0] < widths[$1] }) else { break }
      widths[widest] -= 1
      excess -= 1
    }
    return widths
  }

  private func line(_ cells: [String], _ widths: [Int]) -> String {
    var text = ""
    for (index, cell) in cells.enumerated() {
      let shown = Printable.middleCut(cell, columnCount: widths[index])
      let blanks = String(repeating: " ", count: widths[index] - Printable.columnCount(shown))
      text += index > 0 ? TextTable.gap : ""
      text += columns[index].alignment == .right ? blanks + shown : shown + blanks
    }
    return String(text.reversed().drop { $0 == " " }.reversed())
  }
}
