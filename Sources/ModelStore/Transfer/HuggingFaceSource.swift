/// A repository of a Hugging Face server, or a folder of it, at a revision: `hf:OWNER/REPO[@REVISION][/SUBFOLDER]`.
public struct HuggingFaceSource: Sendable, Equatable, CustomStringConvertible {
  public let owner: String
  public let name: String
  /// A branch, a tag or a commit; `main` when it is not given.
  public let revision: String
  /// The folder, without slashes around it; "" for the whole repository.
  public let folder: String

  public static let prefix = "hf:"

  public init(owner: String, name: String, revision: String = "main", folder: String = "") {
    self.owner = owner
    self.name = name
    self.revision = revision
    self.folder = folder
  }

  /// Reads `hf:OWNER/REPO[@REVISION][/SUBFOLDER]`.
  ///
  /// A revision ends at the next slash, except `refs/pr/N` and `refs/convert/NAME`; others with a slash are written
  /// with `%2F`.
  public init(_ text: String) throws(TransferError) {
    func bad(_ why: String) -> TransferError {
      TransferError(.badAddress("\(why); expected hf:OWNER/REPO[@REVISION][/SUBFOLDER]"), address: text)
    }
    guard text.hasPrefix(HuggingFaceSource.prefix) else { throw bad("does not begin with hf:") }
    var rest = text.dropFirst(HuggingFaceSource.prefix.count)
    while rest.last == "/" { rest = rest.dropLast() }
    let owner = rest.prefix { $0 != "/" }
    rest = rest.dropFirst(owner.count + 1)
    let name = rest.prefix { $0 != "/" && $0 != "@" }
    rest = rest.dropFirst(name.count)
    guard HuggingFaceSource.isName(owner), HuggingFaceSource.isName(name) else {
      throw bad("names no owner and repository (letters, digits, '-', '_', '.')")
    }
    var revision: Substring = "main"
    if rest.first == "@" {
      rest = rest.dropFirst()
      let parts = rest.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
      let isLong = parts.count >= 3 && parts[0] == "refs" && (parts[1] == "pr" || parts[1] == "convert")
      revision = isLong ? rest[..<parts[2].endIndex] : rest.prefix { $0 != "/" }
      rest = rest[revision.endIndex...]
      guard !revision.isEmpty else { throw bad("has no revision after '@'") }
    }
    let folder = rest.dropFirst()
    let parts = folder.split(separator: "/", omittingEmptySubsequences: false)
    guard folder.isEmpty || !parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }) else {
      throw bad("has a folder that is no plain path")
    }
    let decoded = revision.replacing("%2F", with: "/").replacing("%2f", with: "/")
    self.init(owner: String(owner), name: String(name), revision: String(decoded), folder: String(folder))
  }

  private static func isName(_ text: Substring) -> Bool {
    !text.isEmpty && text != "." && text != ".."
      && text.utf8.allSatisfy { isLetterOrDigit($0) || "-._".utf8.contains($0) }
  }

  /// `OWNER/REPO`.
  public var repository: String { "\(owner)/\(name)" }

  public var description: String {
    HuggingFaceSource.prefix + repository + (revision == "main" ? "" : "@" + revision)
      + (folder.isEmpty ? "" : "/" + folder)
  }
}
