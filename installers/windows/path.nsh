; The user's PATH. It is edited in memory of its own length and never passes through an NSIS string, which ends at
; ${NSIS_MAX_STRLEN} characters: a longer PATH would be cut. (App Paths would be simpler, but terminals do not look there.)

!define PATH_ROOT 0x80000001 ; HKEY_CURRENT_USER
!define PATH_LIMIT 64000 ; bytes; an environment variable ends at 32,767 characters of two bytes

; Between here and PathClose: $1 key, $2 type, $3 bytes of the old value, $4 memory that holds ";old value;".
; In: $R0, the folder. Out: $R1, 1 when all is there.
!macro PathOpen
  Push $1
  Push $2
  Push $3
  Push $4
  Push $5
  Push $6
  StrCpy $R1 0
  StrCpy $4 0
  System::Call 'advapi32::RegCreateKeyExW(p ${PATH_ROOT}, w "Environment", i 0, p 0, i 0, i 0x2001F, p 0, *p .r1, p 0) i.r5'
  ${If} $5 = 0
    System::Call 'advapi32::RegQueryValueExW(p r1, w "Path", p 0, *i .r2, p 0, *i 0 r3) i.r5'
    ${If} $5 = 2 ; there is none
      StrCpy $2 2 ; REG_EXPAND_SZ
      StrCpy $3 0
      StrCpy $5 0
    ${EndIf}
    ${If} $5 = 0
    ${AndIf} $2 >= 1
    ${AndIf} $2 <= 2
      StrLen $6 $R0
      IntOp $6 $6 * 2
      IntOp $6 $6 + $3
      IntOp $6 $6 + 16
      System::Alloc $6
      Pop $4
      ${If} $4 P<> 0
        System::Call 'kernel32::RtlZeroMemory(p r4, p r6)'
        System::Call 'kernel32::lstrcpyW(p r4, w ";")'
        IntPtrOp $5 $4 + 2
        ${If} $3 > 0
          System::Call 'advapi32::RegQueryValueExW(p r1, w "Path", p 0, p 0, p r5, *i r3) i.r5'
        ${Else}
          StrCpy $5 0
        ${EndIf}
        ${If} $5 = 0
          System::Call 'kernel32::lstrcatW(p r4, w ";")'
          StrCpy $R1 1
        ${EndIf}
      ${EndIf}
    ${EndIf}
  ${EndIf}
!macroend

!macro PathClose
  ${If} $4 P<> 0
    System::Free $4
  ${EndIf}
  System::Call 'advapi32::RegCloseKey(p r1)'
  Pop $6
  Pop $5
  Pop $4
  Pop $3
  Pop $2
  Pop $1
!macroend

; Write the value that begins at $5 and tell the running programs.
!macro PathWrite
  System::Call 'kernel32::lstrlenW(p r5) i.r6'
  IntOp $6 $6 * 2
  IntOp $6 $6 + 2
  System::Call 'advapi32::RegSetValueExW(p r1, w "Path", i 0, i r2, p r5, i r6) i.r6'
  ${If} $6 <> 0
    StrCpy $R1 0
  ${EndIf}
  !insertmacro PathTell
!macroend

!macro PathTell
  SendMessage ${HWND_BROADCAST} ${WM_SETTINGCHANGE} 0 "STR:Environment" /TIMEOUT=2000
!macroend

; In: $R0, a folder. Append it to the user's PATH unless it is there. Out: $R1, 1 when it is there now.
Function PathAdd
  !insertmacro PathOpen
  ${If} $R1 = 1
    System::Call 'shlwapi::StrStrIW(p r4, w ";$R0;") p.r5'
    ${If} $5 P= 0
    ${AndIf} $3 > ${PATH_LIMIT}
      StrCpy $R1 0
    ${ElseIf} $5 P= 0
      System::Call 'kernel32::lstrcatW(p r4, w "$R0")'
      IntPtrOp $5 $4 + 2
      System::Call '*$5(&i2 .r6)'
      ${If} $6 = 59 ; the old value was empty: ";;folder"
        IntPtrOp $5 $5 + 2
      ${EndIf}
      !insertmacro PathWrite
    ${EndIf}
  ${EndIf}
  !insertmacro PathClose
FunctionEnd

!macro PathRemoveFunction un

; In: $R0, a folder. Take it out of the user's PATH; everything else there stays as it is.
Function ${un}PathRemove
  !insertmacro PathOpen
  ${If} $R1 = 1
    System::Call 'shlwapi::StrStrIW(p r4, w ";$R0;") p.r5'
    ${If} $5 P<> 0
      ; What follows ";folder" moves over it.
      StrLen $6 $R0
      IntOp $6 $6 * 2
      IntOp $6 $6 + 2
      IntPtrOp $6 $5 + $6
      System::Call 'kernel32::lstrlenW(p r6) i.r3'
      IntOp $3 $3 * 2
      IntOp $3 $3 + 2
      System::Call 'ntdll::memmove(p r5, p r6, p r3)'
      ; ";rest;" without its last semicolon, which PathOpen added.
      System::Call 'kernel32::lstrlenW(p r4) i.r6'
      IntOp $6 $6 - 1
      IntOp $6 $6 * 2
      IntPtrOp $6 $4 + $6
      System::Call '*$6(&i2 0)'
      IntPtrOp $5 $4 + 2
      ${If} $6 P<= $4 ; nothing is left
        System::Call 'advapi32::RegDeleteValueW(p r1, w "Path")'
        !insertmacro PathTell
      ${Else}
        !insertmacro PathWrite
      ${EndIf}
    ${EndIf}
  ${EndIf}
  !insertmacro PathClose
FunctionEnd

!macroend
