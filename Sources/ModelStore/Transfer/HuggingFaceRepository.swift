import ByteIO
import JSONDocuments

/// Lists the files of a repository on a Hugging Face server and says where each is fetched (source: the server's
/// public API, `/api/models/{repository}/tree/{revision}` and `/{repository}/resolve/{revision}/{path}`).
public struct HuggingFaceRepository: Sendable {
  /// One file of a repository.
  public struct File: Sendable, Equatable {
    /// Relative to the repository, with slashes; a plain path that stays below the folder it is put in.
    public let path: String
    public let byteCount: Int
    /// SHA-256 for large files, git's own name for small ones; nil when the server gives none.
    public let digest: ContentDigest?
  }

  /// The files of one commit.
  public struct Listing: Sendable {
    /// 40 hexadecimal digits.
    public let commit: String
    /// Sorted by path.
    public let files: [File]
  }

  public static let publicEndpoint = "https://huggingface.co"

  public let source: HuggingFaceSource
  public let endpoint: String
  private let token: String?
  private static let pageLimit = 1000

  /// `token` is that of HF_TOKEN; it goes to the endpoint's server only.
  public init(_ source: HuggingFaceSource, endpoint: String = publicEndpoint, token: String? = nil) {
    self.source = source
    var endpoint = endpoint[...]
    while endpoint.last == "/" { endpoint = endpoint.dropLast() }
    self.endpoint = String(endpoint)
    self.token = token
  }

  /// Asks for the commit that the revision is now, and for its files below the source's folder.
  public func list(
    with downloader: Downloader, cancellation: Cancellation = Cancellation()
  ) throws(TransferError) -> Listing {
    let api = "\(endpoint)/api/models/\(source.repository)"
    let revision = WebAddress.percentEncoded(source.revision)
    let about = try WebAddress("\(api)/revision/\(revision)")
    let info = try json(about, downloader, cancellation)
    guard let commit = info.root["sha"]?.value.string, commit.utf8.count == 40,
      commit.utf8.allSatisfy(isLetterOrDigit)
    else { throw TransferError(.badListing("it names no commit"), address: about.shown) }
    let folder = source.folder.isEmpty ? "" : "/" + pathInAddress(source.folder)
    let first = try WebAddress("\(api)/tree/\(commit)\(folder)?recursive=true")
    var page: WebAddress? = first
    var files: [File] = []
    var pageCount = 0
    while let address = page {
      pageCount += 1
      if pageCount > HuggingFaceRepository.pageLimit {
        throw TransferError(.badListing("it has no end"), address: first.shown)
      }
      let list = try json(address, downloader, cancellation)
      files += try self.files(list.root, address)
      page = try list.next.map { (link) throws(TransferError) in try sameServer(link, as: first) }
    }
    return Listing(commit: commit, files: files.sorted { $0.path < $1.path })
  }

  /// The download of a file of a listing to a path.
  public func download(_ file: File, of listing: Listing, to path: String) throws(TransferError) -> Download {
    Download(
      address: try WebAddress(
        "\(endpoint)/\(source.repository)/resolve/\(listing.commit)/\(pathInAddress(file.path))"),
      path: path, expectedByteCount: file.byteCount, digest: file.digest, bearerToken: token,
      service: .huggingFace)
  }

  private func pathInAddress(_ path: String) -> String { WebAddress.percentEncoded(path, keeping: "-._~/") }

  private func json(
    _ address: WebAddress, _ downloader: Downloader, _ cancellation: Cancellation
  ) throws(TransferError) -> (root: JSONNode, next: String?) {
    let response = try downloader.contents(
      of: address, bearerToken: token, service: .huggingFace, cancellation: cancellation)
    do {
      let document = try JSONDocument(response.bytes, source: address.shown)
      return (document.root, response.field("link").flatMap(HuggingFaceRepository.nextPage))
    } catch {
      throw TransferError(.badListing(error.message), address: address.shown)
    }
  }

  /// The `next` of a `Link` field, such as `<https://host/path?cursor=x>; rel="next"` (source: RFC 8288).
  static func nextPage(_ field: String) -> String? {
    for link in field.split(separator: ",") {
      guard let start = link.firstIndex(of: "<"), let end = link[start...].firstIndex(of: ">") else {
        continue
      }
      let parameters = link[link.index(after: end)...].replacing(" ", with: "")
      if parameters.contains("rel=\"next\"") || parameters.hasSuffix("rel=next") {
        return String(link[link.index(after: start)..<end])
      }
    }
    return nil
  }

  /// The token goes along, so the next page must be on the same server. A mirror may name itself as the public one.
  private func sameServer(_ link: String, as first: WebAddress) throws(TransferError) -> WebAddress {
    let next =
      link.hasPrefix("/")
      ? try WebAddress("\(first.scheme.rawValue)://\(first.server)\(link)")
      : try WebAddress(link)
    if next.hasSameOrigin(as: first) { return next }
    throw TransferError(
      .badListing("its next page is on another server, \(next.server)"), address: first.shown)
  }

  private func files(_ root: JSONNode, _ address: WebAddress) throws(TransferError) -> [File] {
    guard case .array(let entries) = root.content else {
      throw TransferError(.badListing("it is no JSON array"), address: address.shown)
    }
    var files: [File] = []
    for entry in entries where entry["type"]?.value.string == "file" {
      guard let path = entry["path"]?.value.string, let size = entry["size"]?.value.integer, size >= 0 else {
        throw TransferError(.badListing("a file has no path and size"), address: address.shown)
      }
      if let objection = ContainedFile.objection(to: path) {
        throw TransferError(.badListing("the path '\(path)' \(objection)"), address: address.shown)
      }
      let content = entry["lfs"]
      let largeDigest = (content?["oid"]?.value.string).map { ContentDigest.sha256($0) }
      let smallDigest = (entry["oid"]?.value.string).map { ContentDigest.gitBlob($0) }
      let digest = content == nil ? smallDigest : largeDigest
      files.append(
        File(
          path: path, byteCount: content?["size"]?.value.integer ?? size,
          digest: digest.flatMap { $0.isWellFormed ? $0 : nil }))
    }
    return files
  }
}
