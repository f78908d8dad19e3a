import TestSupport
import Testing

/// What libprotobuf-c and Python's onnx say about files.
enum DecoderOracle {
  /// Whether Python's onnx reads a file, and whether it writes the same bytes again.
  enum Answer: String { case no, other, same }

  /// The text of each file by `proto_tree.c`, in the order of the paths; nil when it cannot read the file.
  static func trees(of paths: [String], sourceLocation: SourceLocation = #_sourceLocation) throws -> [String?]
  {
    let build = try Spawn.run(
      "/bin/sh", [PackageRoot.path("Tests/Oracles/build-proto-tree.sh"), PythonOracle.interpreter])
    if build.exitCode == 3 {
      try Test.cancel("\(build.stderr.dropLast())", sourceLocation: sourceLocation)
    }
    try #require(build.exitCode == 0, "\(build.stderr)", sourceLocation: sourceLocation)
    let result = try Spawn.run(String(build.stdout.dropLast()), paths)
    try #require(result.exitCode == 0, "\(result.end): \(result.stderr)", sourceLocation: sourceLocation)
    return try split(result.stdout, count: paths.count, sourceLocation)
  }

  /// The text of each file by `proto_tree.py`, in the order of the paths.
  static func pythonTrees(
    of paths: [String], sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> [String?] {
    let output = try PythonOracle.output(
      script: "proto_tree.py", arguments: paths, sourceLocation: sourceLocation)
    return try split(output, count: paths.count, sourceLocation)
  }

  private static func split(
    _ output: String, count: Int, _ sourceLocation: SourceLocation
  ) throws -> [String?] {
    var trees: [String?] = []
    var lines: [Substring] = []
    func finish() { trees.append(lines == ["unreadable"] ? nil : lines.map { $0 + "\n" }.joined()) }
    for line in output.split(separator: "\n").dropFirst() {
      if line.hasPrefix("== ") {
        finish()
        lines = []
      } else {
        lines.append(line)
      }
    }
    finish()
    try #require(trees.count == count, sourceLocation: sourceLocation)
    return trees
  }

  /// What `list_parsable.py` answers, in the order of the paths.
  static func parsable(
    _ paths: [String], sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> [Answer] {
    let output = try PythonOracle.output(
      script: "list_parsable.py", stdin: Array(paths.map { $0 + "\n" }.joined().utf8),
      sourceLocation: sourceLocation)
    let answers = output.split(separator: "\n").compactMap {
      Answer(rawValue: String($0.prefix { $0 != "\t" }))
    }
    try #require(answers.count == paths.count, sourceLocation: sourceLocation)
    return answers
  }

  /// The folder with the models of `make_every_field.py`.
  static func everyFieldModels(sourceLocation: SourceLocation = #_sourceLocation) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    _ = try PythonOracle.output(
      script: "make_every_field.py", arguments: [folder.path], sourceLocation: sourceLocation)
    return folder
  }
}

/// The first line in which two texts differ, for a message.
func firstDifference(_ ours: String, _ theirs: String) -> String? {
  if ours == theirs { return nil }
  let left = ours.split(separator: "\n", omittingEmptySubsequences: false)
  let right = theirs.split(separator: "\n", omittingEmptySubsequences: false)
  for (number, pair) in zip(left, right).enumerated() where pair.0 != pair.1 {
    return "line \(number + 1): ours '\(pair.0)', theirs '\(pair.1)'"
  }
  return "ours has \(left.count) lines, theirs \(right.count)"
}
