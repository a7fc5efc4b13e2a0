// Runs a printed model: `inputs` is [input slot, run] as {data, width}, `drive` [series, half step] the same, or null.
// Gives {data, middle, width} as [kept slot, time, run], in the order of model.early and model.late, and failed[run].
function simulateModel(model, inputs, drive, runs) {
  const lanes = model.R;
  const width = Math.ceil(runs / lanes) * lanes;
  const kept = model.early.length + model.late.length;
  const out = { data: new Float64Array(kept * model.times * width), middle: model.times, width };
  const failed = new Uint8Array(runs);
  const state = new Float64Array(model.slots * lanes);
  const block = { data: new Float64Array(model.where.length * lanes), width: lanes };
  const past = new Float64Array(model.remembered.length * (model.steps + 1) * lanes);
  const history = { data: past, middle: model.steps + 1, width: lanes };
  const still = { data: new Float64Array(2 * model.steps + 3).fill(NaN), width: 2 * model.steps + 3 };
  for (let first = 0; first < runs; first += lanes) {
    state.fill(0);
    for (let j = 0; j < model.where.length; j += 1) {
      for (let r = 0; r < lanes; r += 1) {
        block.data[j * lanes + r] = inputs.data[j * inputs.width + Math.min(first + r, runs - 1)];
      }
    }
    model.run(state, block, model.where, model.literals, model.first, out, first, model.early, model.late, model.every,
      model.steps, model.remembered, model.tab, model.X, model.Y, model.M, model.P, model.N, model.K, drive || still, history);
    for (let r = 0; r < lanes && first + r < runs; r += 1) {
      failed[first + r] = Number.isFinite(state[model.alarm * lanes + r]) ? 0 : 1;
    }
  }
  return { out, failed };
}
