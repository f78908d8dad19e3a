import ByteIO
import ModelStore
import Whisper

/// The `README.md` of a layout: what it is, where it is from, and digests; the same for the same files.
enum LayoutReadme {
  static func text(_ record: LayoutRecord, license: String?) -> String {
    var lines = [
      "# \(record.name)", "",
      "A Whisper model in ONNX form, laid out by `whisperq download-layout`. Quantized models of it go to "
        + "`../\(record.name)_quantized/`.",
      "",
    ]
    lines += ["## Where it is from", ""]
    let sources = Set(record.files.compactMap(\.source)).sorted()
    lines += sources.map { source in
      let index = record.sources.firstIndex(of: source)
      let state = index.flatMap { $0 < record.fingerprints.count ? record.fingerprints[$0] : nil } ?? ""
      return "- `\(plain(source))`" + (state.hasPrefix("commit:") ? " at commit `\(state.dropFirst(7))`" : "")
    }
    let texts = record.files.filter { $0.path.uppercased().hasPrefix("LICEN") }.map { "`\($0.path)`" }
    let words =
      (license.map { ["`\($0)`, as the source's model card says"] } ?? []) + texts.map { "see \($0)" }
    lines += [
      "", "Licence: " + (words.isEmpty ? "not stated by the source" : words.joined(separator: "; ")) + ".",
      "",
    ]
    lines += ["## Files", "", "| file | part | bytes | from |", "|---|---|---:|---|"]
    for file in record.files {
      let part = file.part.flatMap { WhisperPart(rawValue: $0)?.title } ?? ""
      lines.append("| `\(file.path)` | \(part) | \(file.byteCount) | `\(plain(file.origin ?? ""))` |")
    }
    lines += [
      "", "## SHA-256", "", "Check with `sha256sum -c` after saving these lines to a file.", "", "```",
    ]
    lines += record.files.map { "\($0.sha256)  \($0.path)" }
    return (lines + ["```", ""]).joined(separator: "\n")
  }

  /// A text from outside for a table cell in code quotes.
  private static func plain(_ text: String) -> String {
    String(text.map { $0 == "`" || $0 == "|" || $0.isNewline ? "_" : $0 })
  }
}
