public import ByteIO

/// One file on its way into a layout.
public struct PlacementStep: Sendable, Equatable {
  /// Where it is.
  public var source: String
  /// Where it goes, relative to the layout's folder.
  public var target: String
  public var way: PlacingWay
  /// For a data file: the models, relative to the layout's folder, that must not be seen beside another one.
  public var models: [String]

  public init(source: String, target: String, way: PlacingWay, models: [String] = []) {
    self.source = source
    self.target = target
    self.way = way
    self.models = models
  }
}

/// A layout in the making, in a hidden folder beside the one that it will be.
///
/// Files are first put together under `tree`, whose rename makes the layout appear as a whole. Where a layout
/// is there already, its files are replaced one by one, a model going before its data changes and coming back
/// after.
///
/// `plan.json` says how far it is. While files are put together, a killed run is undone by the next: what was
/// moved goes back. From the moment that everything is together, a killed run is completed by the next one.
public final class LayoutAssembly {
  private static let ending = "_onnx.incoming"

  public let modelsFolder: String
  public let name: String
  /// Whether this run completed what a killed run had put together.
  public let isCompleted: Bool
  private let lock: FileLock
  private var plan = AssemblyPlan()

  /// The folder that the layout will be.
  public var targetPath: String { joined(modelsFolder, name + "_onnx") }
  private var path: String { joined(modelsFolder, ".\(name)\(Self.ending)") }
  private var treePath: String { joined(path, "tree") }
  private var planPath: String { joined(path, "plan.json") }

  /// Where a file of the layout is put together.
  public func treePath(of target: String) -> String { joined(treePath, target) }

  /// Where a file that is made for the layout waits for its place.
  public func madePath(of target: String) -> String { joined(joined(path, "made"), target) }

  /// Opens the layout in the making and locks it; what a killed run left there is undone or completed.
  public init(modelsFolder: String, name: String) throws(ByteIOError) {
    self.modelsFolder = modelsFolder
    self.name = name
    let path = joined(modelsFolder, ".\(name)\(Self.ending)")
    try makeFolders(path)
    lock = try FileLock(folder: path, timeout: .zero)
    let found = AssemblyPlan(readingFrom: joined(path, "plan.json")) ?? AssemblyPlan()
    isCompleted = found.phase == .publishing
    plan = found
    switch plan.phase {
    case .publishing: try publishPlanned()
    case .assembling: try undo()
    }
  }

  /// Whether nothing is worth keeping for another run.
  public var isEmpty: Bool { plan.copies.isEmpty && plan.steps.isEmpty }

  /// Undoes what was put together; every source is where it was.
  public func abandon() throws(ByteIOError) {
    guard plan.phase == .assembling else { return }
    try undo()
    try finish()
  }

  /// Names of layouts that a killed run left in the making.
  public static func unfinished(in modelsFolder: String) -> [String] {
    let entries = (try? names(inFolder: modelsFolder)) ?? []
    return entries.filter { $0.hasPrefix(".") && $0.hasSuffix(ending) }
      .map { String($0.dropFirst().dropLast(ending.count)) }.filter { !$0.isEmpty }
  }

  // MARK: Putting together

  /// Notes which files will come. `removed` are files of the layout that no longer belong to it.
  public func begin(_ steps: [PlacementStep], removed: [String]) throws(ByteIOError) {
    let kept = plan.copies
    plan = AssemblyPlan()
    plan.steps = steps
    plan.stale = removed
    for step in steps {
      guard let stamp = FileStamp(ofPath: step.source), step.way != .move,
        kept.contains(where: { $0.target == step.target && $0.stamp == stamp.text && $0.way == step.way })
      else { continue }
      plan.copies.append(AssemblyPlan.Copy(target: step.target, way: step.way, stamp: stamp.text))
    }
    for old in kept where !plan.copies.contains(where: { $0.target == old.target }) {
      try removeFile(treePath(of: old.target))
    }
    try plan.write(to: planPath)
  }

  /// Puts the file of a step in its place in the tree.
  public func place(
    _ step: PlacementStep, advanced: (Int) -> Void
  ) throws(ByteIOError) -> PlacedFile {
    let target = treePath(of: step.target)
    if plan.copies.contains(where: { $0.target == step.target }), kind(ofPath: target) == .file {
      return try PlacedFile(of: target, method: .copied, advanced: advanced)
    }
    try removeFile(target)
    let stamp = FileStamp(ofPath: step.source)
    let placed = try PlacedFile.place(step.source, at: target, step.way, advanced: advanced)
    if step.way == .move {
      if placed.method == .copied { plan.leftovers.append(step.source) }
    } else if let stamp {
      plan.copies.append(AssemblyPlan.Copy(target: step.target, way: step.way, stamp: stamp.text))
    }
    if placed.method == .copied { try plan.write(to: planPath) }
    return placed
  }

  /// Writes a small file of the layout into the tree.
  public func write(_ text: String, to target: String) throws(ByteIOError) {
    try writeText(text, to: treePath(of: target))
    if !plan.steps.contains(where: { $0.target == target }) {
      plan.steps.append(PlacementStep(source: "", target: target, way: .copy))
    }
  }

  /// Marks a source file that was moved in another form: it goes when the layout is in its place.
  public func removeAfterwards(_ source: String) { plan.leftovers.append(source) }

  /// Makes the layout appear, and removes what is no longer needed.
  public func publish() throws(ByteIOError) {
    plan.phase = .publishing
    plan.isNew = kind(ofPath: targetPath) == .missing
    try plan.write(to: planPath)
    try publishPlanned()
  }

  /// Ends the work; nothing but the layout stays.
  public func finish() throws(ByteIOError) { try FilePlacing.removeTree(path) }

  // MARK: Phases

  private func undo() throws(ByteIOError) {
    for step in plan.steps where step.way == .move && !step.source.isEmpty {
      let target = treePath(of: step.target)
      guard kind(ofPath: target) == .file, kind(ofPath: step.source) == .missing else { continue }
      try makeFolders(folder(of: step.source))
      _ = try FilePlacing.rename(target, to: step.source)
    }
    let kept = Set(plan.copies.map(\.target))
    try clean(treePath, prefix: "", keeping: kept)
    try FilePlacing.removeTree(joined(path, "made"))
    plan.steps = []
  }

  /// Removes the files below a folder that are not among `kept`.
  private func clean(_ root: String, prefix: String, keeping kept: Set<String>) throws(ByteIOError) {
    guard kind(ofPath: root) == .folder else { return }
    for name in try names(inFolder: joined(root, prefix)) {
      let relative = joined(prefix, name)
      if kind(ofPath: joined(root, relative)) == .folder {
        try clean(root, prefix: relative, keeping: kept)
      } else if !kept.contains(relative) {
        try removeFile(joined(root, relative))
      }
    }
  }

  private func publishPlanned() throws(ByteIOError) {
    if plan.isNew, kind(ofPath: treePath) == .folder {
      if kind(ofPath: targetPath) != .missing, !((try? names(inFolder: targetPath)) ?? []).isEmpty {
        throw ByteIOError(.alreadyExists, path: targetPath)
      }
      _ = try FilePlacing.rename(treePath, to: targetPath)
      try FilePlacing.synchronize(folder: modelsFolder)
    } else if !plan.isNew {
      try replaceFiles()
    }
    for source in plan.leftovers { try removeFile(source) }
    plan.leftovers = []
  }

  private func replaceFiles() throws(ByteIOError) {
    let waiting = plan.steps.filter { kind(ofPath: treePath(of: $0.target)) == .file }
    let data = waiting.filter { !$0.models.isEmpty }
    for step in data where kind(ofPath: joined(targetPath, step.target)) != .missing {
      for model in step.models { try removeFile(joined(targetPath, model)) }
    }
    for stale in plan.stale { try removeFile(joined(targetPath, stale)) }
    for step in data + waiting.filter({ $0.models.isEmpty }) {
      let place = joined(targetPath, step.target)
      try makeFolders(folder(of: place))
      _ = try FilePlacing.rename(treePath(of: step.target), to: place)
    }
    for stale in plan.stale { FilePlacing.removeEmptyFolder(folder(of: joined(targetPath, stale))) }
    try FilePlacing.synchronize(folder: targetPath)
  }
}
