import ByteIO
import COnnxRuntime

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// What a process knows about its surroundings, as a value that tests can make up.
public struct ProcessEnvironment: Sendable {
  public let variables: [String: String]
  public let workingFolder: String
  /// The folder of the running program; nil when the system does not tell.
  public let programFolder: String?
  /// Folders of the system's own libraries.
  public let systemFolders: [String]

  public init(
    variables: [String: String], workingFolder: String, programFolder: String?, systemFolders: [String]
  ) {
    self.variables = variables
    self.workingFolder = workingFolder
    self.programFolder = programFolder
    self.systemFolders = systemFolders
  }

  subscript(_ name: String) -> String? { variables[name] }

  /// The variables that the search reads.
  private static let names = [
    "WHISPERQ_ORT_LIBRARY", "WHISPERQ_QNN_LIBRARY", "VIRTUAL_ENV", "CONDA_PREFIX", "PATH", "HOME",
    "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
  ]

  /// The surroundings of this process.
  public static var current: ProcessEnvironment {
    var variables: [String: String] = [:]
    for name in names {
      // Safe: getenv lends a NUL-terminated text, which is copied before anything else can change the environment.
      if let text = unsafe getenv(name) { variables[name] = unsafe String(cString: text) }
    }
    return ProcessEnvironment(
      variables: variables, workingFolder: realPath("") ?? ".", programFolder: programPath.map(folder(of:)),
      systemFolders: usualSystemFolders)
  }

  private static var programPath: String? {
    var buffer = [CChar](repeating: 0, count: 4096)
    // Safe: the function writes no more than the buffer's size, with a NUL byte at the end.
    guard unsafe cort_program_path(&buffer, buffer.count) != 0 else { return nil }
    let path = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return realPath(path)
  }

  private static var usualSystemFolders: [String] {
    #if os(macOS)
      ["/opt/homebrew/lib", "/usr/local/lib"]
    #elseif arch(arm64)
      ["/usr/local/lib", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
    #else
      ["/usr/local/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"]
    #endif
  }
}

/// The folders that may hold a library, in the order in which they are searched. Nothing is run to find them.
enum CandidateFolders {
  struct Candidate: Equatable {
    let origin: String
    let folder: String
  }

  static func all(for sought: SoughtLibrary, in environment: ProcessEnvironment) -> [Candidate] {
    var candidates: [Candidate] = []
    func add(_ origin: String, _ folder: String) {
      if !candidates.contains(where: { $0.folder == folder }) {
        candidates.append(Candidate(origin: origin, folder: folder))
      }
    }
    for runtime in runtimeFolders(environment) {
      add("the project's .runtime", joined(runtime, sought.packagePath))
    }
    for (origin, prefix) in pythonPrefixes(environment) {
      let packages = packageFolders(ofPrefix: prefix)
      for folder in packages { add(origin, joined(folder, sought.packagePath)) }
      if packages.isEmpty, origin != pathOrigin { add(origin, prefix) }
    }
    for variable in ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] {
      for folder in parts(of: environment[variable]) { add(variable, folder) }
    }
    for folder in environment.systemFolders { add("system", folder) }
    return candidates
  }

  /// `.runtime` beside the program or above it (a build folder lies in the project), then in the working folder.
  private static func runtimeFolders(_ environment: ProcessEnvironment) -> [String] {
    var found: [String] = []
    var above = environment.programFolder
    for _ in 0..<5 {
      guard let folder = above, folder != "/", !folder.isEmpty else { break }
      let candidate = joined(folder, ".runtime")
      if kind(ofPath: candidate) == .folder { found.append(candidate) }
      let next = ByteIO.folder(of: folder)
      above = next == folder ? nil : next
    }
    let here = joined(environment.workingFolder, ".runtime")
    if !found.contains(here) { found.append(here) }
    return found
  }

  private static let pathOrigin = "python3 in PATH"

  /// Folders of Python installations: the active environment, then the first python3 of the search path.
  private static func pythonPrefixes(_ environment: ProcessEnvironment) -> [(String, String)] {
    var prefixes: [(String, String)] = []
    for variable in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
      if let prefix = environment[variable], !prefix.isEmpty { prefixes.append((variable, prefix)) }
    }
    for folder in parts(of: environment["PATH"]) {
      let program = joined(folder, "python3")
      guard kind(ofPath: program) == .file else { continue }
      // A virtual environment is where its link lies, an installation where the link leads.
      prefixes.append((pathOrigin, ByteIO.folder(of: folder)))
      if let real = realPath(program) {
        prefixes.append((pathOrigin, ByteIO.folder(of: ByteIO.folder(of: real))))
      }
      break
    }
    if let home = environment["HOME"], !home.isEmpty {
      prefixes.append(("Python packages of the user", joined(home, ".local")))
    }
    return prefixes
  }

  /// The package folders of a Python installation, newest version first.
  private static func packageFolders(ofPrefix prefix: String) -> [String] {
    var folders: [String] = []
    let windows = joined(prefix, "Lib/site-packages")
    if kind(ofPath: windows) == .folder { folders.append(windows) }
    for library in ["lib", "lib64", "local/lib"] {
      let libraries = joined(prefix, library)
      guard let names = try? names(inFolder: libraries) else { continue }
      let versions = names.filter { $0.hasPrefix("python3") }.sorted { first, second in
        (first.utf8.count, first) > (second.utf8.count, second)
      }
      for version in versions {
        for packages in ["site-packages", "dist-packages"] {
          let folder = joined(joined(libraries, version), packages)
          if kind(ofPath: folder) == .folder { folders.append(folder) }
        }
      }
    }
    return folders
  }

  private static func parts(of list: String?) -> [String] {
    list?.split(separator: ":").map(String.init).filter { $0.utf8.first == UInt8(ascii: "/") } ?? []
  }
}
