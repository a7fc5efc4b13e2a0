/* The two benchmark models by hand, as a C programmer would: blocks of 64 runs, time outside, runs inside, nothing allocated
   in the loop, strict IEEE arithmetic. Inputs are [input][run of the block], results [stock][saved time][run of the block]. */
#define LANES 64

void sir(long steps, long every, const double *restrict in, double *restrict out, long times) {
    double s[LANES], i[LANES], r[LANES];
    const double *population = in, *contact = in + LANES, *duration = in + 2 * LANES;
    const double dt = 1.0 / 32.0;
    for (int k = 0; k < LANES; k++) { s[k] = population[k] - 5.0; i[k] = 5.0; r[k] = 0.0; }
    long m = 0;
    for (long n = 0; n <= steps; n++) {
        if (n % every == 0) {
            for (int k = 0; k < LANES; k++) {
                out[(0 * times + m) * LANES + k] = s[k];
                out[(1 * times + m) * LANES + k] = i[k];
                out[(2 * times + m) * LANES + k] = r[k];
            }
            m++;
        }
        for (int k = 0; k < LANES; k++) {
            double infection = s[k] * i[k] / population[k] * contact[k];
            double recovery = i[k] / duration[k];
            s[k] = s[k] + dt * (-infection);
            i[k] = i[k] + dt * (infection - recovery);
            r[k] = r[k] + dt * recovery;
        }
    }
}

static const double pace_x[10] = {0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5};
static const double pace_y[10] = {0, 0.3, 0.58, 0.82, 1, 1.12, 1.2, 1.24, 1.25, 1.25};
static const double leave_x[6] = {0, 0.5, 1, 1.5, 2, 2.5};
static const double leave_y[6] = {0.8, 0.9, 1, 1.3, 1.7, 1.9};
static const double hire_x[7] = {0, 0.5, 0.8, 1, 1.2, 1.5, 2};
static const double hire_y[7] = {1.4, 1.3, 1.15, 1, 0.7, 0.3, 0};

static inline __attribute__((always_inline)) double look(const double *x, const double *y, int count, double at) {
    double value = y[0];
    for (int j = 0; j < count - 1; j++) {
        double slope = (y[j + 1] - y[j]) / (x[j + 1] - x[j]);
        value = at > x[j] ? y[j] + slope * (at - x[j]) : value;
    }
    return at >= x[count - 1] ? y[count - 1] : value;
}

void workforce(long steps, long every, const double *restrict in, double *restrict out, long times) {
    double trainees[LANES], skilled[LANES], backlog[LANES];
    const double *start = in, *training = in + LANES, *stay = in + 2 * LANES, *adjust = in + 3 * LANES, *cases = in + 4 * LANES,
                 *wait = in + 5 * LANES;
    const double dt = 1.0 / 16.0;
    for (int k = 0; k < LANES; k++) { trainees[k] = start[k] * training[k]; skilled[k] = 100.0; backlog[k] = 400.0; }
    long m = 0;
    for (long n = 0; n <= steps; n++) {
        double t = n * dt;
        if (n % every == 0) {
            for (int k = 0; k < LANES; k++) {
                out[(0 * times + m) * LANES + k] = trainees[k];
                out[(1 * times + m) * LANES + k] = skilled[k];
                out[(2 * times + m) * LANES + k] = backlog[k];
            }
            m++;
        }
        double referral = 200.0 * (1.0 + (t + 0.5 * dt > 24.0 ? 0.2 : 0.0));
        for (int k = 0; k < LANES; k++) {
            double usual = cases[k] * wait[k];
            double desired = backlog[k] / usual;
            double pressure = backlog[k] / (skilled[k] * cases[k] * wait[k]);
            double leaving = skilled[k] / stay[k] * look(leave_x, leave_y, 6, pressure);
            double completion = skilled[k] * cases[k] * look(pace_x, pace_y, 10, pressure);
            double hiring = (leaving + (desired - skilled[k]) / adjust[k]) * look(hire_x, hire_y, 7, skilled[k] / desired);
            double graduation = trainees[k] / training[k];
            trainees[k] = trainees[k] + dt * (hiring - graduation);
            skilled[k] = skilled[k] + dt * (graduation - leaving);
            backlog[k] = backlog[k] + dt * (referral - completion);
        }
    }
}
