/// How the range of an activation is chosen from what was observed.
public enum RangeMethod: String, CaseIterable, Codable, Sendable {
  /// From the smallest to the largest value of all runs.
  case minMax = "min-max"
  /// The average of each run's smallest and largest value.
  case moving
  /// The range that holds a given part of all values.
  case percentile
  /// The range with the least squared rounding and clipping error.
  case leastSquares = "mse"
  /// The range with the least Kullback-Leibler divergence between values and their rounded forms.
  case entropy
}
