#!/usr/bin/env bash
# Train, open the explorer in a real window on a virtual display, use it, and take a picture:
#
#     tests/measure/show_explorer.sh outputs/latent_explorer.png          # the picture of the page
#     tests/measure/show_explorer.sh small.png 640x400 --latent-dim 32    # a small window
#
# Needs Xvfb, xdotool and ImageMagick. PYTHON names the interpreter, DPI the density of the
# display. Fails unless the window opens, follows the pointer, the keys (with Shift, too) and
# every change of its size, stays silent, and ends as told: with 0 when it is closed in the
# middle of a walk, with 130 after Ctrl-C and 143 after SIGTERM, at rest and during a walk.
set -euo pipefail

usage="usage: $0 PICTURE.png [WIDTHxHEIGHT] [options of the main script]"
picture=$(realpath "${1:?$usage}")
shift
size=
if [[ ${1:-} =~ ^[0-9]+x[0-9]+$ ]]; then size=$1; shift; fi
root=$(realpath "$(dirname "$0")/../..")
folder=$(mktemp -d)
display_pid='' program_pid=''
clean_up() {
    # only what was started here, by its number
    for pid in $program_pid $display_pid; do kill "$pid" && wait "$pid"; done 2>/dev/null || true
    rm -rf "$folder"
}
trap clean_up EXIT
fail() { echo "$0: $1" >&2; cat "$folder"/*.log >&2 || true; exit 1; }

"${PYTHON:-python}" "$root/latent_space_exploration.py" --output-dir "$folder/run" "$@" \
    >"$folder/training.log" 2>&1 || fail "the training failed"

Xvfb -noreset -displayfd 3 -screen 0 2400x1600x24 -dpi "${DPI:-144}" 3>"$folder/display" 2>/dev/null &
display_pid=$!
for _ in {1..50}; do [[ -s $folder/display ]] && break; sleep 0.1; done
DISPLAY=":$(<"$folder/display")"
export DISPLAY

open_window() {    # sets window and program_pid
    "${PYTHON:-python}" "$root/solutions/latent_explorer.py" --output-dir "$folder/run" \
        >"$folder/window.log" 2>"$folder/errors.log" &
    program_pid=$!
    window=
    for _ in {1..600}; do
        window=$(xdotool search --onlyvisible --name "Walk the latent space" 2>/dev/null) && break
        kill -0 "$program_pid" 2>/dev/null || fail "the program ended without a window"
        sleep 0.2
    done
    [[ $window ]] || fail "no window after two minutes"
    xdotool windowfocus "$window"
    sleep 2
}
ends_with() {      # the program ends with this code, and has never complained
    local code=0
    for _ in {1..50}; do kill -0 "$program_pid" 2>/dev/null || break; sleep 0.1; done
    kill -0 "$program_pid" 2>/dev/null && fail "$2: the program goes on"
    wait "$program_pid" || code=$?
    program_pid=
    [[ $code == "$1" ]] || fail "$2: the program ended with code $code, not $1"
    [[ ! -s $folder/errors.log ]] || fail "$2: the program complained"
    echo "Ended with $code: $2"
}
look() { import -window "$window" "$folder/$1.png"; }
decoded() {        # a fingerprint of the middle of the decoded picture
    convert "$folder/$1.png" -crop "20%x20%+$((WIDTH * 65 / 100))+$((HEIGHT / 10))" \
        -format '%#' info:
}
differ() { [[ $(decoded "$1") != "$(decoded "$2")" ]]; }
point() { xdotool mousemove $((X + WIDTH * $1 / 1000)) $((Y + HEIGHT * $2 / 1000)); }

# Drag from the mean of the horizontals towards the mean of the crosses.
open_window
if [[ $size ]]; then xdotool windowsize "$window" ${size/x/ }; sleep 2; fi
eval "$(xdotool getwindowgeometry --shell "$window")"      # X, Y, WIDTH, HEIGHT
xdotool key 2
sleep 1
look before
point 200 430; xdotool mousedown 1
for step in {1..20}; do point $((200 + 3 * step / 2)) $((430 + 5 * step / 2)); sleep 0.03; done
xdotool mouseup 1
point 20 20                                                # away from the buttons
sleep 1
look after
differ before after || fail "the picture did not follow the pointer"
convert "$folder/after.png" -strip "$picture"

# Shift and the letter of a key, and the dragging of a slider.
xdotool key R; sleep 1; look random
differ after random || fail "Shift disabled a key"
xdotool key 0; sleep 1; look zero
point 780 570; xdotool mousedown 1; sleep 0.3; point 700 570; sleep 0.3; xdotool mouseup 1
sleep 1; look slider
differ zero slider || fail "the picture did not follow the slider"
xdotool key S; sleep 2
[[ -s $folder/run/latent_moment_001.png ]] || fail "no picture was saved"

# Windows of any size, in all of which something moves.
for small in 390x290 900x60 60x700 20x20 1x1 "${WIDTH}x${HEIGHT}"; do
    xdotool windowsize "$window" ${small/x/ }; sleep 0.5
    xdotool key r; sleep 0.5; xdotool key w; sleep 0.5
done
xdotool key 0; sleep 1; look again
differ zero again && fail "after all these sizes the same point looks different"
xdotool key w; sleep 1; xdotool key q
ends_with 0 "closed in the middle of a walk"

for name in INT TERM; do
    code_of_signal=$((128 + $(kill -l "$name")))
    for walk in "at rest" "during a walk"; do
        open_window
        if [[ $walk != "at rest" ]]; then xdotool key w; sleep 1; fi
        kill -s "$name" "$program_pid"
        ends_with $code_of_signal "SIG$name $walk"
    done
done
echo "Wrote $picture ($(identify -format '%wx%h' "$picture"), $(stat -c %s "$picture") bytes)"
