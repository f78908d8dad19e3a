import ByteIO
import COnnxRuntime
public import ModelBackend
import Synchronization

/// ONNX Runtime, opened from a library that was found at run time.
///
/// A library that was opened stays for the life of the process, and so does what it keeps for all sessions.
public final class OnnxRuntime: Sendable {
  /// The library's file.
  public let path: String
  /// As the library gives it, such as `1.32.0`.
  public let version: String
  /// The version of its interface that is used: 24 when it has that, else its newest.
  public let apiVersion: Int
  /// What the library says about how it was built.
  public let buildInfo: String

  let api: RuntimeAPI
  let environment: Handle
  /// The path of the QNN plugin that was registered.
  let registeredPlugin = Mutex<String?>(nil)

  /// The newest interface that we know something in, and the oldest one that runs a model.
  public static let apiVersions = 17...24
  /// Interfaces that know providers in libraries of their own.
  public static let pluginAPIVersion = 22
  /// Interfaces that tell which provider took which node.
  static let assignmentAPIVersion = 24

  private static let opened = Mutex<[String: OnnxRuntime]>([:])

  /// Opens the library at `path`, or returns the one that is open already.
  ///
  /// `newestAPI` is for tests of how older versions are treated.
  public static func open(_ path: String, newestAPI: Int = 24) throws(BackendError) -> OnnxRuntime {
    let key = (realPath(path) ?? path) + "#\(newestAPI)"
    return try opened.withLock { opened throws(BackendError) in
      if let runtime = opened[key] { return runtime }
      let runtime = try OnnxRuntime(path: path, newestAPI: newestAPI)
      opened[key] = runtime
      return runtime
    }
  }

  /// Searches for the library and opens it.
  public static func open(_ places: LibraryPlaces) throws(BackendError) -> OnnxRuntime {
    let search = LibrarySearch(.onnxRuntime, places)
    guard let path = search.path else { throw BackendError(.missing, search.absence) }
    return try open(path)
  }

  private init(path: String, newestAPI: Int) throws(BackendError) {
    let entry = try unsafe LoadedLibrary.function("OrtGetApiBase", in: path, of: .onnxRuntime)
    // Safe: the function takes nothing and returns a pointer to two functions that live as long as the library,
    // which is never closed.
    guard let base = unsafe cort_get_base(entry) else {
      throw BackendError(.missing, "\(path) is no usable ONNX Runtime: its OrtGetApiBase returns nothing")
    }
    let version = unsafe cort_version(base).map { unsafe String(cString: $0) } ?? ""
    let table = unsafe OnnxRuntime.table(of: base, version: version, newest: newestAPI)
    guard let (table, apiVersion) = unsafe table else {
      let oldest = OnnxRuntime.apiVersions.lowerBound
      throw BackendError(
        .unsupported,
        "ONNX Runtime \(version.isEmpty ? "of an unknown version" : version) at \(path) is too old: 1.\(oldest) or "
          + "later is needed; \(SoughtLibrary.onnxRuntime.remedy)")
    }
    let api = unsafe RuntimeAPI(table: table, version: apiVersion)
    self.api = api
    self.path = path
    self.version = version
    self.apiVersion = apiVersion
    buildInfo = unsafe api.text(cort_build_info(table)) ?? ""
    // Severity 2: warnings and worse, unless a session asks for more.
    environment = try unsafe Handle(api, cort_release_env, "starting ONNX Runtime at \(path)") { result in
      unsafe cort_create_env(table, RuntimeLog.receive, nil, 2, "whisperq", &result)
    }
  }

  /// The newest table that the library has and we know.
  @unsafe private static func table(
    of base: OpaquePointer, version: String, newest: Int
  ) -> (OpaquePointer, Int)? {
    // Version 1.20 has interface 20. Asking for a later one makes an old library complain on standard error.
    let parts = version.split(separator: ".")
    let own = parts.count > 1 && parts[0] == "1" ? Int(parts[1]) : nil
    let first = min(newest, own ?? newest)
    for candidate in stride(from: first, through: apiVersions.lowerBound, by: -1) {
      if let table = unsafe cort_get_api(base, UInt32(candidate)) { return unsafe (table, candidate) }
    }
    return nil
  }
}

/// Opens shared libraries, with errors that say what is wrong with the file.
enum LoadedLibrary {
  /// A function of the library at `path`, which is opened for the life of the process.
  @unsafe static func function(
    _ name: String, in path: String, of sought: SoughtLibrary
  ) throws(BackendError) -> UnsafeMutableRawPointer {
    if kind(ofPath: path) == .missing {
      throw BackendError(
        .missing, "\(sought.name) is not at \(path): there is no such file; \(sought.remedy)")
    }
    if let objection = LibraryImage.objection(toFile: path) {
      throw BackendError(.missing, "\(path) cannot be \(sought.name): \(objection)")
    }
    var reason = [CChar](repeating: 0, count: 1024)
    // Safe: both texts end in a NUL byte, and the function writes no more than the buffer's size.
    guard let library = unsafe cort_open_library(realPath(path) ?? path, &reason, reason.count) else {
      let text = String(decoding: reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      throw BackendError(.missing, "\(sought.name) at \(path) cannot be opened: \(RuntimeAPI.tidied(text))")
    }
    guard let function = unsafe cort_find_function(library, name) else {
      throw BackendError(
        .missing, "\(path) is a library, but not \(sought.name): it has no function \(name)")
    }
    return unsafe function
  }
}
