import Console
import JSONDocuments
import ModelStore
import Pipeline

/// Entries, changes and findings as text or JSON.
struct ManifestRendering {
  let manifestPath: String
  let isJSON: Bool

  init(_ place: ManifestPlace) {
    manifestPath = place.path
    isJSON = place.json
  }

  func show(_ outcome: ManifestPipeline.Outcome) throws {
    if isJSON {
      try write([
        "change": .string(outcome.change.rawValue), "key": .string(outcome.entry.key),
        "manifest": .string(manifestPath), "entry": Self.json(outcome.entry),
        "notes": .array(outcome.notes.map(JSONValue.string)),
      ])
      return
    }
    let notes = Notes(verbosity: .normal)
    for note in outcome.notes { notes.warning(Printable.name(note)) }
    let name = Printable.name(outcome.entry.key)
    switch outcome.change {
    case .unchanged: try write("\(name) is unchanged in \(Printable.name(manifestPath))\n")
    default:
      try write(
        "\(outcome.change.rawValue) \(name) in \(Printable.name(manifestPath))\n" + fields(outcome.entry))
    }
  }

  func showRemoved(_ keys: [String]) throws {
    if isJSON {
      try write(["manifest": .string(manifestPath), "removed": .array(keys.map(JSONValue.string))])
    } else {
      let names = keys.map(Printable.name).joined(separator: ", ")
      try write("removed \(names) from \(Printable.name(manifestPath))\n")
    }
  }

  func showList(_ entries: [ManifestEntry]) throws {
    let paths = ManifestPaths(manifestPath: manifestPath)
    if isJSON {
      try write([
        "manifest": .string(manifestPath), "entries": .array(entries.map { located($0, paths) }),
      ])
      return
    }
    if entries.isEmpty {
      try write("\(Printable.name(manifestPath)) has no entries\n")
      return
    }
    var table = TextTable([
      .init("key"), .init("quant"), .init("ep"), .init("input"), .init("version"), .init("MB", .right),
      .init("path"),
    ])
    for entry in entries {
      let isThere = ManifestPaths.exists(paths.resolve(entry.path))
      table.append([
        entry.key, entry.quant ?? "-", entry.providers.joined(separator: ","), entry.input ?? "-",
        entry.version ?? "-", entry.sizeMB.map { Self.number($0) } ?? "-",
        entry.path + (isThere ? "" : " (missing)"),
      ])
    }
    try write(table.render(width: TerminalStream.standardOutput.width))
  }

  func showEntry(_ entry: ManifestEntry) throws {
    let paths = ManifestPaths(manifestPath: manifestPath)
    if isJSON {
      try write(located(entry, paths))
      return
    }
    let file = paths.resolve(entry.path)
    let state = ManifestPaths.exists(file) ? "" : " (missing)"
    try write("\(Printable.name(entry.key))\n" + fields(entry) + "  file: \(Printable.name(file))\(state)\n")
  }

  func show(_ result: ManifestCheck.Result) throws {
    let errors = result.findings.filter { $0.severity == .error }.count
    let warnings = result.findings.count - errors
    if isJSON {
      try write([
        "manifest": .string(manifestPath), "keys": .array(result.keys.map(JSONValue.string)),
        "errors": .integer(errors), "warnings": .integer(warnings),
        "findings": .array(
          result.findings.map {
            [
              "severity": .string($0.severity.rawValue), "key": .string(ifPresent: $0.key),
              "field": .string(ifPresent: $0.field), "line": .integer(ifPresent: $0.line),
              "message": .string($0.message),
            ]
          }),
      ])
      return
    }
    var text = ""
    for finding in result.findings {
      let place = Printable.name(manifestPath) + (finding.line.map { ":\($0)" } ?? "")
      let key = finding.key.map { Printable.name($0) + ": " } ?? ""
      text += "\(place): \(finding.severity.rawValue): \(key)\(Printable.name(finding.message))\n"
    }
    let count = result.keys.count
    text += "\(count) \(count == 1 ? "entry" : "entries") checked: "
    text +=
      errors + warnings == 0
      ? "all is well\n" : "\(Self.counted(errors, "error")), \(Self.counted(warnings, "warning"))\n"
    try write(text)
  }

  // MARK: Parts

  private static func counted(_ count: Int, _ word: String) -> String {
    "\(count) \(word)\(count == 1 ? "" : "s")"
  }

  private static func number(_ value: Double) -> String {
    JSON.double(value).integer?.description ?? value.description
  }

  private func fields(_ entry: ManifestEntry) -> String {
    entry.members.map { member in
      let value = member.value.string.map(Printable.name) ?? Printable.name(member.value.text(.compact))
      return "  \(Printable.name(member.key)): \(value)\n"
    }.joined()
  }

  private func located(_ entry: ManifestEntry, _ paths: ManifestPaths) -> JSONValue {
    let file = paths.resolve(entry.path)
    return [
      "key": .string(entry.key), "manifest": .string(manifestPath), "file": .string(file),
      "exists": .bool(ManifestPaths.exists(file)), "entry": Self.json(entry),
    ]
  }

  private static func json(_ entry: ManifestEntry) -> JSONValue { json(.object(entry.members)) }

  private static func json(_ value: JSON) -> JSONValue {
    switch value {
    case .null: return .null
    case .bool(let value): return .bool(value)
    case .number(let number): return number.integer.map(JSONValue.integer) ?? .double(number.double)
    case .string(let value): return .string(value)
    case .array(let elements): return .array(elements.map(json))
    case .object(let members):
      return .object(Dictionary(members.map { ($0.key, json($0.value)) }, uniquingKeysWith: { $1 }))
    }
  }

  private func write(_ value: JSONValue) throws { try write(value.text() + "\n") }

  private func write(_ text: String) throws { try TerminalStream.standardOutput.write(text) }
}
