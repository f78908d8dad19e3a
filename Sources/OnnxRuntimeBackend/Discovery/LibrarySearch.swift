import ByteIO

/// A library that is found at run time.
public enum SoughtLibrary: String, Sendable, CaseIterable {
  case onnxRuntime
  /// Qualcomm's plugin for ONNX Runtime, with its backends beside it.
  case qnnPlugin

  /// The folder of the Python package that brings it, and where it lies in there.
  var packagePath: String { self == .onnxRuntime ? "onnxruntime/capi" : "onnxruntime_qnn" }
  public var environmentVariable: String {
    self == .onnxRuntime ? "WHISPERQ_ORT_LIBRARY" : "WHISPERQ_QNN_LIBRARY"
  }
  /// The option of the command line.
  public var option: String { self == .onnxRuntime ? "--ort-library" : "--qnn-library" }
  public var name: String { self == .onnxRuntime ? "ONNX Runtime" : "Qualcomm's QNN plugin for ONNX Runtime" }
  /// What gets it where there is nothing.
  public var remedy: String {
    let package = self == .onnxRuntime ? "onnxruntime" : "onnxruntime-qnn"
    return "scripts/fetch-runtime.sh puts it into .runtime/, and so does a Python environment with "
      + "\"pip install \(package)\"; or name the file with \(option) or \(environmentVariable)"
  }

  private var stem: String { self == .onnxRuntime ? "onnxruntime" : "onnxruntime_providers_qnn" }
  /// The file's usual name on this system.
  public var fileName: String {
    #if os(Windows)
      "\(stem).dll"
    #elseif os(macOS)
      "lib\(stem).dylib"
    #else
      "lib\(stem).so"
    #endif
  }

  /// Whether a file of this name is the library, with or without a version in it.
  func matches(_ name: String) -> Bool {
    if name == fileName { return true }
    #if os(Windows)
      return false
    #elseif os(macOS)
      return name.hasPrefix("lib\(stem).") && name.hasSuffix(".dylib")
    #else
      return name.hasPrefix(fileName + ".")
        && name.utf8.dropFirst(fileName.utf8.count + 1).first.map { $0 < 0x3a } == true
    #endif
  }
}

/// Where libraries are looked for, beyond what the environment says by itself.
public struct LibraryPlaces: Sendable {
  /// The file that `--ort-library` names, or a folder with it.
  public var onnxRuntime: String?
  /// The file that `--qnn-library` names, or a folder with it.
  public var qnnPlugin: String?
  public var environment: ProcessEnvironment

  public init(
    onnxRuntime: String? = nil, qnnPlugin: String? = nil, environment: ProcessEnvironment = .current
  ) {
    self.onnxRuntime = onnxRuntime
    self.qnnPlugin = qnnPlugin
    self.environment = environment
  }
}

/// A search for a library with every place that was looked at, in order.
public struct LibrarySearch: Sendable {
  public enum Finding: Sendable, Equatable {
    /// The library, at this path.
    case found(String)
    case nothing
    /// Something that cannot be it, and why.
    case unusable(String)
  }

  /// One place.
  public struct Look: Sendable {
    /// What sent us there, such as `WHISPERQ_ORT_LIBRARY` or "Python".
    public let origin: String
    public let place: String
    public let finding: Finding

    public init(origin: String, place: String, finding: Finding) {
      self.origin = origin
      self.place = place
      self.finding = finding
    }
  }

  public let sought: SoughtLibrary
  public let looks: [Look]

  /// The library's path; nil when there is none.
  public var path: String? {
    if case .found(let path)? = looks.last?.finding { path } else { nil }
  }

  /// Looks everywhere until the library is found. Who names a file means it: when that one is not right, the search
  /// ends.
  public init(_ sought: SoughtLibrary, _ places: LibraryPlaces) {
    self.sought = sought
    var looks: [Look] = []
    if let (origin, path) = LibrarySearch.name(sought, places) {
      looks.append(Look(origin: origin, place: path, finding: LibrarySearch.finding(sought, named: path)))
      self.looks = looks
      return
    }
    for candidate in CandidateFolders.all(for: sought, in: places.environment) {
      let finding = LibrarySearch.finding(sought, inFolder: candidate.folder)
      looks.append(Look(origin: candidate.origin, place: candidate.folder, finding: finding))
      if case .found = finding { break }
    }
    self.looks = looks
  }

  /// Whether somebody named the library, so that no other one will do.
  public static func isNamed(_ sought: SoughtLibrary, _ places: LibraryPlaces) -> Bool {
    name(sought, places) != nil
  }

  private static func name(
    _ sought: SoughtLibrary, _ places: LibraryPlaces
  ) -> (origin: String, path: String)? {
    let named = [
      (sought.option, sought == .onnxRuntime ? places.onnxRuntime : places.qnnPlugin),
      (sought.environmentVariable, places.environment[sought.environmentVariable]),
    ]
    for case (let origin, let path?) in named where !path.isEmpty { return (origin, path) }
    return nil
  }

  private static func finding(_ sought: SoughtLibrary, named path: String) -> Finding {
    switch kind(ofPath: path) {
    case .missing: return .nothing
    case .folder:
      for folder in [path, joined(path, sought.packagePath), joined(path, "lib")] {
        let finding = finding(sought, inFolder: folder)
        if finding != .nothing { return finding }
      }
      return .nothing
    case .file, .other:
      return LibraryImage.objection(toFile: path).map { .unusable($0) } ?? .found(path)
    }
  }

  private static func finding(_ sought: SoughtLibrary, inFolder folder: String) -> Finding {
    guard let names = try? names(inFolder: folder) else { return .nothing }
    var finding = Finding.nothing
    // The plain name first, then the longest version; a link and its target are the same library.
    let candidates = names.filter(sought.matches).sorted { first, second in
      first == sought.fileName || (second != sought.fileName && first.utf8.count > second.utf8.count)
    }
    for name in candidates {
      let path = joined(folder, name)
      guard let objection = LibraryImage.objection(toFile: path) else { return .found(path) }
      finding = .unusable("\(path): \(objection)")
    }
    return finding
  }

  /// What to say when the library is not found: what is missing, where it was looked for, what gets it.
  public var absence: String {
    if looks.count == 1, let look = looks.first,
      [sought.option, sought.environmentVariable].contains(look.origin)
    {
      let fault: String
      switch look.finding {
      case .unusable(let reason): fault = reason
      case .nothing, .found:
        fault =
          kind(ofPath: look.place) == .folder ? "no \(sought.fileName) is in it" : "there is no such file"
      }
      return "\(look.origin) names \(look.place) for \(sought.name), and \(fault); leave it out to have the "
        + "usual places searched"
    }
    let places = looks.map { look in
      if case .unusable(let reason) = look.finding { return "  \(look.origin): \(reason)" }
      return "  \(look.origin): \(look.place)"
    }
    return "\(sought.name) (\(sought.fileName)) was not found; \(sought.remedy). It was looked for in\n"
      + places.joined(separator: "\n")
  }
}
